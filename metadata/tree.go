package metadata

import "iter"

// tree is a persistent sorted map: with and without give a new tree that shares all but the path to the key (an AVL tree with copied paths).
// The zero value with a compare function is empty.
type tree[K, V any] struct {
	root    *node[K, V]
	size    int
	compare func(a, b K) int
}

type node[K, V any] struct {
	key         K
	value       V
	left, right *node[K, V]
	height      int8
}

func newTree[K, V any](compare func(a, b K) int) tree[K, V] { return tree[K, V]{compare: compare} }

// treeOf is the tree of entries that come in the order of their keys, each key once.
func treeOf[K, V any](compare func(a, b K) int, keys []K, values []V) tree[K, V] {
	return tree[K, V]{root: subtree(keys, values), size: len(keys), compare: compare}
}

func subtree[K, V any](keys []K, values []V) *node[K, V] {
	if len(keys) == 0 {
		return nil
	}
	middle := len(keys) / 2
	n := &node[K, V]{
		key: keys[middle], value: values[middle],
		left: subtree(keys[:middle], values[:middle]), right: subtree(keys[middle+1:], values[middle+1:]),
	}
	n.height = max(n.left.depth(), n.right.depth()) + 1
	return n
}

func (t tree[K, V]) get(key K) (value V, ok bool) {
	for n := t.root; n != nil; {
		switch c := t.compare(key, n.key); {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return value, false
}

// with is the tree with a value set for a key.
func (t tree[K, V]) with(key K, value V) tree[K, V] {
	added := false
	t.root = t.insert(t.root, key, value, &added)
	if added {
		t.size++
	}
	return t
}

// without is the tree without a key.
func (t tree[K, V]) without(key K) tree[K, V] {
	if _, ok := t.get(key); ok {
		t.root = t.remove(t.root, key)
		t.size--
	}
	return t
}

// all yields the entries in the order of their keys.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walk(yield) }
}

// values yields the values in the order of their keys.
func (t tree[K, V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		t.root.walk(func(_ K, v V) bool { return yield(v) })
	}
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (t tree[K, V]) insert(n *node[K, V], key K, value V, added *bool) *node[K, V] {
	if n == nil {
		*added = true
		return &node[K, V]{key: key, value: value, height: 1}
	}
	copied := *n
	switch c := t.compare(key, n.key); {
	case c == 0:
		copied.value = value
		return &copied
	case c < 0:
		copied.left = t.insert(n.left, key, value, added)
	default:
		copied.right = t.insert(n.right, key, value, added)
	}
	return copied.balanced()
}

// remove is the subtree without the key, which is in it.
func (t tree[K, V]) remove(n *node[K, V], key K) *node[K, V] {
	copied := *n
	switch c := t.compare(key, n.key); {
	case c < 0:
		copied.left = t.remove(n.left, key)
	case c > 0:
		copied.right = t.remove(n.right, key)
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	default:
		next := n.right
		for next.left != nil {
			next = next.left
		}
		copied.key, copied.value = next.key, next.value
		copied.right = t.remove(n.right, next.key)
	}
	return copied.balanced()
}

func (n *node[K, V]) depth() int8 {
	if n == nil {
		return 0
	}
	return n.height
}

// balanced rotates where one side is two levels deeper than the other. n is not shared yet; its children may be.
func (n *node[K, V]) balanced() *node[K, V] {
	switch difference := n.left.depth() - n.right.depth(); {
	case difference > 1:
		if n.left.left.depth() < n.left.right.depth() {
			left := *n.left
			n.left = left.rotateLeft()
		}
		return n.rotateRight()
	case difference < -1:
		if n.right.right.depth() < n.right.left.depth() {
			right := *n.right
			n.right = right.rotateRight()
		}
		return n.rotateLeft()
	}
	n.height = max(n.left.depth(), n.right.depth()) + 1
	return n
}

// rotateLeft changes n, which is not shared, and copies its right child.
func (n *node[K, V]) rotateLeft() *node[K, V] {
	top := *n.right
	n.right, top.left = top.left, n
	n.height = max(n.left.depth(), n.right.depth()) + 1
	top.height = max(top.left.depth(), top.right.depth()) + 1
	return &top
}

// rotateRight changes n, which is not shared, and copies its left child.
func (n *node[K, V]) rotateRight() *node[K, V] {
	top := *n.left
	n.left, top.right = top.right, n
	n.height = max(n.left.depth(), n.right.depth()) + 1
	top.height = max(top.left.depth(), top.right.depth()) + 1
	return &top
}
