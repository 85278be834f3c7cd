// OpenSSL 3: digests.
#pragma once

#include <openssl/evp.h>
