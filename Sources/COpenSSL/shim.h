// OpenSSL 3: digests, sealing, certificates and TLS. The functions stand for macros, which Swift does not see.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "symmetric.h"

static inline int squire_tls_set_version_min(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version) == 1;
}

// A write takes as much as fits into one record; what it could not send is offered again from another address. A read
// takes what is there from the kernel, several records at once, and not a header and then its record.
static inline void squire_tls_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 64 << 10);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

// Takes the certificate over where it succeeds.
static inline int squire_tls_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add0_chain_cert(context, certificate) == 1;
}

static inline int squire_tls_set_server_name(SSL *session, const char *name) {
    return SSL_set_tlsext_host_name(session, name) == 1;
}

// Without it, OpenSSL would ask for a password at the terminal.
static inline int squire_pem_refuse_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static inline X509 *squire_pem_certificate(BIO *text) {
    return PEM_read_bio_X509(text, NULL, squire_pem_refuse_password, NULL);
}

static inline EVP_PKEY *squire_pem_key(BIO *text) {
    return PEM_read_bio_PrivateKey(text, NULL, squire_pem_refuse_password, NULL);
}
