// Command go answers questions about transparency logs and signed notes with the packages that Go's own
// checksum database uses, so that tests can compare an implementation of their own with an independent one.
//
// It reads one JSON object a line and writes one JSON object a line: {"op": NAME, ...} in, the answer out, or
// {"error": REASON} where the question makes no sense. Questions that are checks answer {"ok": true}, or
// {"ok": false, "error": REASON}. Hashes are hexadecimal.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is the one that C2SP tlog-tiles fixes: 256 hashes a tile.
const tileHeight = 8

type question struct {
	Op string `json:"op"`
	leaves

	Size  int64 `json:"size"`
	Index int64 `json:"index"`
	Old   int64 `json:"old"`

	Root     string   `json:"root"`
	OldRoot  string   `json:"old_root"`
	LeafHash string   `json:"leaf_hash"`
	Proof    []string `json:"proof"`

	Level int   `json:"level"`
	Tile  int64 `json:"tile"`
	Width int   `json:"width"`

	Name    string   `json:"name"`
	Seed    string   `json:"seed"`
	Skey    string   `json:"skey"`
	Skeys   []string `json:"skeys"`
	Vkey    string   `json:"vkey"`
	Vkeys   []string `json:"vkeys"`
	Text    string   `json:"text"`
	Note    string   `json:"note"`
	NoteHex string   `json:"note_hex"`
}

type answer map[string]any

var ops = map[string]func(*question) (answer, error){
	"root":              root,
	"inclusion":         inclusion,
	"check_inclusion":   checkInclusion,
	"consistency":       consistency,
	"check_consistency": checkConsistency,
	"tile_path":         tilePath,
	"tile_data":         tileData,
	"vkey":              vkey,
	"sign":              sign,
	"open":              open,
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if err := enc.Encode(reply(line)); err != nil {
				fatal(err)
			}
			if err := out.Flush(); err != nil {
				fatal(err)
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			fatal(err)
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// reply turns a panic into an answer as well: tlog panics on some input that cannot be.
func reply(line []byte) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{"error": fmt.Sprint(r)}
		}
	}()
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return answer{"error": err.Error()}
	}
	op, ok := ops[q.Op]
	if !ok {
		return answer{"error": fmt.Sprintf("no op %q", q.Op)}
	}
	a, err := op(&q)
	if err != nil {
		return answer{"error": err.Error()}
	}
	return a
}

// Trees

func root(q *question) (answer, error) {
	n, tree, err := q.tree()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		// Older versions of the package answer with zeros, newer ones as RFC 6962 does: no oracle here.
		return nil, errors.New("the root of an empty tree depends on the version of tlog")
	}
	h, err := tlog.TreeHash(n, tree)
	if err != nil {
		return nil, err
	}
	return answer{"root": hex.EncodeToString(h[:]), "size": n}, nil
}

func inclusion(q *question) (answer, error) {
	n, tree, err := q.tree()
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveRecord(n, q.Index, tree)
	if err != nil {
		return nil, err
	}
	return answer{"proof": toHex(p)}, nil
}

func checkInclusion(q *question) (answer, error) {
	root, err := parseHash("root", q.Root)
	if err != nil {
		return nil, err
	}
	leaf, err := parseHash("leaf_hash", q.LeafHash)
	if err != nil {
		return nil, err
	}
	p, err := parseHashes("proof", q.Proof)
	if err != nil {
		return nil, err
	}
	return verdict(tlog.CheckRecord(p, q.Size, root, q.Index, leaf)), nil
}

func consistency(q *question) (answer, error) {
	n, tree, err := q.tree()
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveTree(n, q.Old, tree)
	if err != nil {
		return nil, err
	}
	return answer{"proof": toHex(p)}, nil
}

func checkConsistency(q *question) (answer, error) {
	root, err := parseHash("root", q.Root)
	if err != nil {
		return nil, err
	}
	oldRoot, err := parseHash("old_root", q.OldRoot)
	if err != nil {
		return nil, err
	}
	p, err := parseHashes("proof", q.Proof)
	if err != nil {
		return nil, err
	}
	return verdict(tlog.CheckTree(p, q.Size, root, q.Old, oldRoot)), nil
}

// Tiles

// asTile checks bounds, which tlog leaves to its callers.
func (q *question) asTile() (tlog.Tile, error) {
	w := q.Width
	if w == 0 {
		w = 1 << tileHeight
	}
	if q.Level < 0 || q.Level > 7 || q.Tile < 0 || q.Tile >= 1<<48 || w < 0 || w > 1<<tileHeight {
		return tlog.Tile{}, errors.New("no such tile in any tree")
	}
	return tlog.Tile{H: tileHeight, L: q.Level, N: q.Tile, W: w}, nil
}

// tilePath answers with the path of C2SP tlog-tiles, which leaves out the height that tlog puts in.
func tilePath(q *question) (answer, error) {
	t, err := q.asTile()
	if err != nil {
		return nil, err
	}
	return answer{"path": strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)}, nil
}

func tileData(q *question) (answer, error) {
	n, tree, err := q.tree()
	if err != nil {
		return nil, err
	}
	t, err := q.asTile()
	if err != nil {
		return nil, err
	}
	// What is stored may reach beyond the tree that was asked for.
	if t.N<<tileHeight+int64(t.W) > n>>(tileHeight*t.L) {
		return nil, fmt.Errorf("no such tile in a tree of %d", n)
	}
	data, err := tlog.ReadTileData(t, tree)
	if err != nil {
		return nil, err
	}
	return answer{"data": hex.EncodeToString(data)}, nil
}

// Notes

// vkey puts the private key together by hand, since note.GenerateKey takes a source of randomness and not a seed.
func vkey(q *question) (answer, error) {
	seed, err := hex.DecodeString(q.Seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("seed: not 32 bytes in hex")
	}
	pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	v, err := note.NewEd25519VerifierKey(q.Name, pub)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(v)
	if err != nil {
		return nil, err
	}
	const ed25519Algorithm = 1
	key := base64.StdEncoding.EncodeToString(append([]byte{ed25519Algorithm}, seed...))
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", q.Name, verifier.KeyHash(), key)
	if _, err := note.NewSigner(skey); err != nil {
		return nil, err
	}
	return answer{"skey": skey, "vkey": v}, nil
}

func sign(q *question) (answer, error) {
	var signers []note.Signer
	for _, skey := range oneOrMany(q.Skey, q.Skeys) {
		s, err := note.NewSigner(skey)
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	msg, err := note.Sign(&note.Note{Text: q.Text}, signers...)
	if err != nil {
		return nil, err
	}
	return answer{"note": string(msg)}, nil
}

// open takes the note as hex too, for bytes that are not UTF-8.
func open(q *question) (answer, error) {
	msg := []byte(q.Note)
	if q.NoteHex != "" {
		b, err := hex.DecodeString(q.NoteHex)
		if err != nil {
			return nil, fmt.Errorf("note_hex: %w", err)
		}
		msg = b
	}
	var known []note.Verifier
	for _, vkey := range oneOrMany(q.Vkey, q.Vkeys) {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return answer{"ok": false, "error": err.Error()}, nil
		}
		known = append(known, v)
	}
	n, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return verdict(err), nil
	}
	a := verdict(nil)
	a["text"] = n.Text
	a["signed_by"] = names(n.Sigs)
	a["unverified"] = names(n.UnverifiedSigs)
	return a, nil
}

func names(sigs []note.Signature) []string {
	out := make([]string, 0, len(sigs))
	for _, s := range sigs {
		out = append(out, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return out
}

// Small things

func verdict(err error) answer {
	if err != nil {
		return answer{"ok": false, "error": err.Error()}
	}
	return answer{"ok": true}
}

func oneOrMany(one string, many []string) []string {
	if one != "" {
		many = append([]string{one}, many...)
	}
	return many
}

func toHex(hashes []tlog.Hash) []string {
	out := make([]string, 0, len(hashes))
	for _, h := range hashes {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

func parseHash(field, s string) (h tlog.Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != tlog.HashSize {
		return h, fmt.Errorf("%s: not a hash: %q", field, s)
	}
	copy(h[:], b)
	return h, nil
}

func parseHashes(field string, list []string) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(list))
	for _, s := range list {
		h, err := parseHash(field, s)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
