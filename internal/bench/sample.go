package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// sampleRecord returns a record as the authority makes them, with the serial and the sizes of a real one.
func sampleRecord(issuer, when string, i int) *authority.Record {
	now := time.Now()
	var b [16]byte
	rand.Read(b[5:])
	b[0] = 0x40
	binary.BigEndian.PutUint32(b[1:5], uint32(now.Unix()))
	name := fmt.Sprintf("%s-%d.internal", when, i)
	key := sha256.Sum256([]byte(name))
	tbs := make([]byte, 400)
	rand.Read(tbs)
	return &authority.Record{
		Serial: authority.SerialOf(new(big.Int).SetBytes(b[:])), Operation: provisioner.X509Sign, Issuer: issuer, TBS: der(tbs),
		NotBefore: now, NotAfter: now.Add(24 * time.Hour), Subject: name, Names: []string{name}, KeyID: hex.EncodeToString(key[:]),
		Entity: "entity of " + name, Provisioner: "admin", ReservedAt: now,
	}
}

// certificateAround returns something of the outer form and size of a certificate.
func certificateAround(tbs []byte) []byte {
	return der(append(append([]byte{}, tbs...), der(make([]byte, 130))...))
}

// der wraps content of 128 to 65535 octets in a SEQUENCE.
func der(content []byte) []byte {
	n := len(content)
	if n < 256 {
		return append([]byte{0x30, 0x81, byte(n)}, content...)
	}
	return append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, content...)
}
