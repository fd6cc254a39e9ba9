#!/usr/bin/env bash
# Writes the secrets that docker-compose.yml names into deploy/secrets/. Existing files are left alone: the KEK opens
# every key in the database, and losing it means losing them. Needs openssl for the certificate.
set -euo pipefail
cd "$(dirname "$0")"
# The folder keeps others out. The files themselves must be readable by the containers' users, under whose ids compose
# mounts them as they are.
mkdir -p secrets
chmod 700 secrets
umask 022
[ -s secrets/kek ] || echo "first=$(head -c 32 /dev/urandom | base64)" >secrets/kek
[ -s secrets/postgres_password ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >secrets/postgres_password
[ -s secrets/postgres_dsn ] || printf 'postgres://signet:%s@postgres:5432/signet?sslmode=disable' "$(cat secrets/postgres_password)" >secrets/postgres_dsn
[ -s secrets/tls_key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 397 -subj /CN=localhost \
	-addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -addext "extendedKeyUsage=serverAuth" \
	-keyout secrets/tls_key -out secrets/tls_crt 2>/dev/null
chmod 644 secrets/*
ls -l secrets
