// OpenSSL 3: digests, authenticated encryption, key derivation, random bytes.
#pragma once

#include <openssl/evp.h>

#include "symmetric.h"
