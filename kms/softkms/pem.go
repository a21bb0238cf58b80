package softkms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/des"
	"crypto/ed25519"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"go.step.sm/crypto/pemutil"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
)

// A file says itself how much work its password costs. These bounds are far above what step, OpenSSL
// and ssh-keygen write, and keep a broken or planted file from holding up start-up.
const (
	maxIterations = 10_000_000 // of PBKDF2
	maxRounds     = 1024       // of OpenSSH's bcrypt
)

var errFormat = errors.New("not a private key in PEM that can be read")

// Parse reads the one private key in data. password is asked for only if the key is encrypted, and may
// be nil. A missing or wrong password is [kms.ErrPassword], a kind of key that is not supported
// [kms.ErrUnsupported]. No error holds any of data.
func Parse(data []byte, password func() ([]byte, error)) (crypto.Signer, error) {
	block, err := onlyKey(data)
	if err != nil {
		return nil, err
	}
	encrypted, err := isEncrypted(block)
	if err != nil {
		return nil, err
	}
	var pass []byte
	if encrypted {
		if password != nil {
			if pass, err = password(); err != nil {
				return nil, err
			}
		}
		if len(pass) == 0 {
			return nil, fmt.Errorf("the key is encrypted: %w", kms.ErrPassword)
		}
	}
	key, err := decode(block, pass)
	if err != nil {
		if encrypted {
			return nil, kms.ErrPassword // bad padding and bad content are both what a wrong password looks like
		}
		return nil, errFormat
	}
	// OpenSSH's format stores both halves. Signing with halves that do not belong together gives the
	// private one away.
	if k, ok := key.(ed25519.PrivateKey); ok && !bytes.Equal(k, ed25519.NewKeyFromSeed(k.Seed())) {
		return nil, errors.New("an Ed25519 key whose halves do not belong together")
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of type %T: %w", key, kms.ErrUnsupported)
	}
	if _, _, err := kms.SignatureAlgorithm(s.Public()); err != nil {
		return nil, err
	}
	return s, nil
}

// onlyKey finds the private key among the PEM blocks of data. What `openssl ecparam` writes before an
// EC key is passed over; anything else beside the key means that the file is not what it seems.
func onlyKey(data []byte) (*pem.Block, error) {
	var key *pem.Block
	for {
		var b *pem.Block
		b, data = pem.Decode(data)
		if b == nil {
			break
		}
		switch b.Type {
		case "EC PARAMETERS":
			continue
		case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY":
		default:
			return nil, fmt.Errorf("PEM block %.40q where a private key is wanted", b.Type)
		}
		if key != nil {
			return nil, errors.New("more than one private key")
		}
		key = b
	}
	if key == nil || len(bytes.TrimSpace(data)) > 0 {
		return nil, errFormat
	}
	return key, nil
}

func decode(b *pem.Block, password []byte) (any, error) {
	if b.Type != "OPENSSH PRIVATE KEY" && password != nil {
		der, err := pemutil.DecryptPEMBlock(b, password)
		if err != nil {
			return nil, err
		}
		b = &pem.Block{Type: b.Type, Bytes: der}
		if b.Type == "ENCRYPTED PRIVATE KEY" {
			b.Type = "PRIVATE KEY"
		}
	}
	// The prompt keeps pemutil from its own, which is a variable that anybody may have set.
	ask := func(string) ([]byte, error) { return password, nil }
	return pemutil.Parse(pem.EncodeToMemory(b), pemutil.WithPasswordPrompt("", ask))
}

// isEncrypted tells whether b needs a password, and checks what the decoders do not.
func isEncrypted(b *pem.Block) (bool, error) {
	switch {
	case b.Type == "ENCRYPTED PRIVATE KEY":
		return true, checkPBES2(b.Bytes)
	case b.Type == "OPENSSH PRIVATE KEY":
		return checkOpenSSH(b.Bytes)
	}
	return b.Headers["Proc-Type"] == "4,ENCRYPTED", nil
}

// pbes2 is EncryptedPrivateKeyInfo of RFC 5208 with the parameters of PBES2, RFC 8018, appendix A.
type pbes2 struct {
	Algo struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters struct {
			KDF struct {
				Algo   asn1.ObjectIdentifier
				Params struct {
					Salt       []byte
					Iterations int
					KeyLength  int                      `asn1:"optional"`
					PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
				}
			}
			Scheme struct {
				Algo asn1.ObjectIdentifier
				IV   []byte
			}
		}
	}
	Data []byte
}

// checkPBES2 bounds the work, refuses lengths that would make crypto/cipher panic, and tells what is
// not supported from what a wrong password looks like.
func checkPBES2(der []byte) error {
	var p pbes2
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return errFormat
	}
	kdf, scheme := p.Algo.Parameters.KDF, p.Algo.Parameters.Scheme
	if s := p.Algo.Algorithm.String(); s != "1.2.840.113549.1.5.13" {
		return fmt.Errorf("encryption %s, not PBES2: %w", s, kms.ErrUnsupported)
	}
	if s := kdf.Algo.String(); s != "1.2.840.113549.1.5.12" {
		return fmt.Errorf("key derivation %s, not PBKDF2: %w", s, kms.ErrUnsupported)
	}
	switch s := kdf.Params.PRF.Algorithm.String(); s {
	case "", "1.2.840.113549.2.7", "1.2.840.113549.2.9": // HMAC with SHA-1, the default, and SHA-256
	default:
		return fmt.Errorf("key derivation with PRF %s: %w", s, kms.ErrUnsupported)
	}
	if n := kdf.Params.Iterations; n < 1 || n > maxIterations {
		return fmt.Errorf("key derivation with %d iterations: %w", n, kms.ErrUnsupported)
	}
	var size int
	switch s := scheme.Algo.String(); s {
	case "2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42":
		size = aes.BlockSize
	case "1.3.14.3.2.7", "1.2.840.113549.3.7":
		size = des.BlockSize
	default:
		return fmt.Errorf("cipher %s: %w", s, kms.ErrUnsupported)
	}
	if len(scheme.IV) != size || len(p.Data) == 0 || len(p.Data)%size != 0 {
		return errFormat
	}
	return nil
}

// checkOpenSSH reads the head of the format in OpenSSH's PROTOCOL.key.
func checkOpenSSH(b []byte) (bool, error) {
	b, ok := bytes.CutPrefix(b, []byte("openssh-key-v1\x00"))
	var w struct {
		Cipher, KDF, KDFOptions string
		Rest                    []byte `ssh:"rest"`
	}
	if !ok || ssh.Unmarshal(b, &w) != nil {
		return false, errFormat
	}
	if w.KDF == "none" && w.Cipher == "none" {
		return false, nil
	}
	var o struct {
		Salt   string
		Rounds uint32
	}
	if w.KDF != "bcrypt" || ssh.Unmarshal([]byte(w.KDFOptions), &o) != nil || o.Rounds == 0 || o.Rounds > maxRounds {
		return false, fmt.Errorf("OpenSSH key derivation: %w", kms.ErrUnsupported)
	}
	return true, nil
}

// Marshal writes a key as PKCS #8 in PEM, encrypted as step does it (PBES2 with AES-256-CBC and 600 000
// rounds of PBKDF2) unless password is empty.
func Marshal(key crypto.Signer, password []byte) ([]byte, error) {
	opts := []pemutil.Options{pemutil.WithPKCS8(true)}
	if len(password) > 0 {
		opts = append(opts, pemutil.WithPassword(password))
	}
	b, err := pemutil.Serialize(key, opts...)
	if err != nil {
		return nil, fmt.Errorf("softkms: key of type %T cannot be written", key) // the cause may print the key
	}
	return pem.EncodeToMemory(b), nil
}
