package exactlyonce

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func frameOf(key int16, id string, body string) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(10+len(id)+len(body)))
	frame = binary.BigEndian.AppendUint16(frame, uint16(key))
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(id)))
	return append(append(frame, id...), body...)
}

// TestProxyHoldsPastTheNextTransaction: what is held comes to the broker after its repetition and after the first
// write of the next transaction, and its own connection ends.
func TestProxyHoldsPastTheNextTransaction(t *testing.T) {
	defer goleak.VerifyNone(t)
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan string, 100)
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			connection, err := broker.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				for {
					frame, err := readFrame(connection)
					if err != nil {
						return
					}
					_, id := header(frame)
					arrived <- string(frame[14+len(id):])
					if _, err := connection.Write([]byte("answer")); err != nil {
						return
					}
				}
			}()
		}
	}()
	defer func() { _ = broker.Close(); <-accepted }()
	first := true
	proxy, err := StartProxy(broker.Addr().String(), func(key int16) bool {
		held := first && key == keyEndTxn
		first = first && !held
		return held
	}, func() time.Duration { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	dial := func() net.Conn {
		connection, err := net.Dial("tcp", proxy.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	send := func(connection net.Conn, key int16, id, body string) {
		if _, err := connection.Write(frameOf(key, id, body)); err != nil {
			t.Fatal(err)
		}
		if have := <-arrived; have != body {
			t.Fatalf("%q arrived, want %q", have, body)
		}
		if _, err := io.ReadFull(connection, make([]byte, len("answer"))); err != nil {
			t.Fatal(err)
		}
	}
	one := dial()
	send(one, keyProduce, "a", "write of the first transaction")
	if _, err := one.Write(frameOf(keyEndTxn, "a", "held end")); err != nil {
		t.Fatal(err)
	}
	if n, err := one.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read %d, %v; the connection of what is held must end", n, err)
	}
	two := dial()
	send(two, keyEndTxn, "a", "end again")
	send(two, keyEndTxn, "b", "another client's end")
	send(two, keyProduce, "b", "another client's write")
	if _, err := two.Write(frameOf(keyProduce, "a", "write of the second transaction")); err != nil {
		t.Fatal(err)
	}
	// They come by two connections, so in any order, but nothing had come before the write was sent.
	last := []string{<-arrived, <-arrived}
	slices.Sort(last)
	if !slices.Equal(last, []string{"held end", "write of the second transaction"}) {
		t.Fatalf("%q arrived at the end", last)
	}
}
