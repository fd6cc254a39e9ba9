package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
)

func benchSignet(ctx context.Context, s settings, partner *ecdsa.PrivateKey) ([]result, error) {
	return nil, errors.New("not yet")
}
