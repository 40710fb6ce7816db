package record

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// The codecs and those of a client read each other's bytes.
func TestCodecsAgreeWithClient(t *testing.T) {
	theirs := map[Codec]kgo.CompressionCodec{
		CodecGzip: kgo.GzipCompression(), CodecSnappy: kgo.SnappyCompression(), CodecLZ4: kgo.Lz4Compression(), CodecZstd: kgo.ZstdCompression(),
	}
	decompressor := kgo.DefaultDecompressor()
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom(codecs()[1:]).Draw(t, "codec")
		src := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "bytes"), rapid.IntRange(1, 700).Draw(t, "repeat"))
		level := rapid.IntRange(0, 17).Draw(t, "level")
		out, err := decompressor.Decompress(Compress(nil, src, codec, level), kgo.CompressionCodecType(codec))
		if err != nil || !bytes.Equal(out, src) {
			t.Fatalf("%s: the client reads %d of %d bytes: %v", codec, len(out), len(src), err)
		}
		compressor, err := kgo.DefaultCompressor(theirs[codec])
		if err != nil {
			t.Fatal(err)
		}
		packed, kind := compressor.Compress(new(bytes.Buffer), src)
		if Codec(kind) != codec {
			t.Fatalf("the client used %d for %s", kind, codec)
		}
		out, err = Decompress(nil, packed, codec, Limits{})
		if err != nil || !bytes.Equal(out, src) {
			t.Fatalf("%s: read %d of %d bytes of the client: %v", codec, len(out), len(src), err)
		}
	})
}
