#!/usr/bin/env bash
# Writes the secrets that docker-compose.yml names into deploy/secrets/. Existing files are left alone: the KEK opens
# every key in the database, and losing it means losing them.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
[ -s secrets/kek ] || head -c 32 /dev/urandom | base64 >secrets/kek
[ -s secrets/postgres_password ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >secrets/postgres_password
[ -s secrets/postgres_dsn ] || printf 'postgres://signet:%s@postgres:5432/signet?sslmode=disable' "$(cat secrets/postgres_password)" >secrets/postgres_dsn
ls -l secrets
