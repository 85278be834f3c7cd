// Authenticated encryption, key derivation and keyed hashing: each a few calls of OpenSSL that belong together.
#pragma once

#include <limits.h>
#include <stdint.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

// Bytes that one of these calls reads.
typedef struct squire_bytes {
    const uint8_t *base;
    size_t count;
} squire_bytes;

// A context that seals (1) or opens (0) with AES-256-GCM; NULL where OpenSSL fails. Keys and nonces follow.
static inline EVP_CIPHER_CTX *squire_gcm_context(int seals) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!cipher || !context || EVP_CipherInit_ex2(context, cipher, NULL, NULL, seals, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        context = NULL;
    }
    // The context holds a reference of its own.
    EVP_CIPHER_free(cipher);
    return context;
}

// AES-256-GCM: key 32 bytes, nonce 12, tag 16. `output` has room for `text.count` bytes. 1, or 0 where OpenSSL fails.
static inline int squire_gcm_seal(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
                                  squire_bytes first, squire_bytes second, squire_bytes text, uint8_t *output,
                                  uint8_t *tag) {
    int count = 0, rest = 0;
    if (first.count > INT_MAX || second.count > INT_MAX || text.count > INT_MAX) return 0;
    return EVP_EncryptInit_ex2(context, NULL, key, nonce, NULL) == 1 &&
           EVP_EncryptUpdate(context, NULL, &count, first.base, (int)first.count) == 1 &&
           EVP_EncryptUpdate(context, NULL, &count, second.base, (int)second.count) == 1 &&
           EVP_EncryptUpdate(context, output, &count, text.base, (int)text.count) == 1 &&
           EVP_EncryptFinal_ex(context, output + count, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
}

// The reverse. 1; 0 where the tag is not that of the rest: `output` is then not to be used.
static inline int squire_gcm_open(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
                                  squire_bytes first, squire_bytes second, squire_bytes text, const uint8_t *tag,
                                  uint8_t *output) {
    int count = 0, rest = 0;
    if (first.count > INT_MAX || second.count > INT_MAX || text.count > INT_MAX) return 0;
    return EVP_DecryptInit_ex2(context, NULL, key, nonce, NULL) == 1 &&
           EVP_DecryptUpdate(context, NULL, &count, first.base, (int)first.count) == 1 &&
           EVP_DecryptUpdate(context, NULL, &count, second.base, (int)second.count) == 1 &&
           EVP_DecryptUpdate(context, output, &count, text.base, (int)text.count) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, (void *)tag) == 1 &&
           EVP_DecryptFinal_ex(context, output + count, &rest) == 1;
}

// HKDF-SHA256 (RFC 5869), extract and expand. 1, or 0 where OpenSSL fails.
static inline int squire_hkdf_sha256(squire_bytes key, squire_bytes salt, squire_bytes info, uint8_t *output,
                                     size_t count) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM parameters[5], *next = parameters;
    *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key.base, key.count);
    if (salt.count > 0) {
        *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt.base, salt.count);
    }
    *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info.base, info.count);
    *next = OSSL_PARAM_construct_end();
    int status = context ? EVP_KDF_derive(context, output, count, parameters) : 0;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return status == 1;
}

// HMAC-SHA256 (RFC 2104) into 32 bytes. 1, or 0 where OpenSSL fails.
static inline int squire_hmac_sha256(squire_bytes key, squire_bytes text, uint8_t *output) {
    unsigned int count = 0;
    return key.count <= INT_MAX &&
           HMAC(EVP_sha256(), key.base, (int)key.count, text.base, text.count, output, &count) != NULL && count == 32;
}

// A context that computes SHA-256; NULL where OpenSSL fails.
static inline EVP_MD_CTX *squire_sha256_context(void) {
    EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!digest || !context || EVP_DigestInit_ex2(context, digest, NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    // The context holds a reference of its own.
    EVP_MD_free(digest);
    return context;
}

// SHA-256 into 32 bytes. 1, or 0 where OpenSSL fails.
static inline int squire_sha256(EVP_MD_CTX *context, squire_bytes text, uint8_t *output) {
    return EVP_DigestInit_ex2(context, NULL, NULL) == 1 &&
           EVP_DigestUpdate(context, text.base, text.count) == 1 && EVP_DigestFinal_ex(context, output, NULL) == 1;
}
