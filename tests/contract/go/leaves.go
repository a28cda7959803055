package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// leaves says what a tree is made of: in the question itself, in a file with one leaf in hex a line, or, for large
// trees, a mere count, where leaf i is the SHA-256 of i as eight bytes, the highest first.
type leaves struct {
	Leaves []string `json:"leaves"`
	File   string   `json:"leaves_file"`
	Count  *int64   `json:"count"`
}

// storage holds a tree's hashes in the order that tlog gives them.
type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(s)) {
			return nil, fmt.Errorf("no stored hash %d", x)
		}
		out[i] = s[x]
	}
	return out, nil
}

func (s *storage) add(n int64, leaf []byte) error {
	hashes, err := tlog.StoredHashes(n, leaf, *s)
	*s = append(*s, hashes...)
	return err
}

// counted is the tree over counted leaves so far. A tree is a prefix of any larger one, so it only ever grows.
var counted struct {
	storage
	size int64
}

func (l *leaves) tree() (int64, tlog.HashReader, error) {
	switch {
	case l.Count != nil:
		return countedTree(*l.Count)
	case l.File != "":
		return fileTree(l.File)
	}
	var s storage
	for i, leaf := range l.Leaves {
		b, err := hex.DecodeString(leaf)
		if err != nil {
			return 0, nil, fmt.Errorf("leaf %d: %w", i, err)
		}
		if err := s.add(int64(i), b); err != nil {
			return 0, nil, err
		}
	}
	return int64(len(l.Leaves)), s, nil
}

func countedTree(n int64) (int64, tlog.HashReader, error) {
	const max = 1 << 24
	if n < 0 || n > max {
		return 0, nil, errors.New("count: out of bounds")
	}
	for ; counted.size < n; counted.size++ {
		var i [8]byte
		binary.BigEndian.PutUint64(i[:], uint64(counted.size))
		leaf := sha256.Sum256(i[:])
		if err := counted.add(counted.size, leaf[:]); err != nil {
			return 0, nil, err
		}
	}
	return n, counted.storage, nil
}

func fileTree(path string) (int64, tlog.HashReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	var s storage
	var n int64
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		b, err := hex.DecodeString(lines.Text())
		if err != nil {
			return 0, nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
		if err := s.add(n, b); err != nil {
			return 0, nil, err
		}
	}
	return n, s, lines.Err()
}
