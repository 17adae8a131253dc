#include "sync/linux/dtls_context.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace ftfw::sync {

namespace {

// The first is preferred; the second is for machines where only AES is allowed.
constexpr const char* kCiphers = "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384";
constexpr std::size_t kShortestKey = 16;
constexpr std::size_t kLongestKey = 256;
constexpr unsigned kCookieBytes = 32;
constexpr Duration kSecretLifetime = 60s;

DtlsContext& context_of(SSL* ssl) {
  return *static_cast<DtlsContext*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), 0));
}

// There is one peer address (the socket looks at no other), so the secret alone makes the cookie.
template <typename Secret>
void cookie_of(const Secret& secret, unsigned char* cookie) {
  static constexpr std::uint8_t kLabel[] = {'h', 'e', 'l', 'l', 'o'};
  unsigned length = kCookieBytes;
  ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()), kLabel, sizeof kLabel, cookie,
         &length);
}

std::unexpected<Error> openssl_failure(const char* what) {
  char text[256];
  ::ERR_error_string_n(::ERR_get_error(), text, sizeof text);
  return fail(Blame::system, std::string(what) + ": " + text);
}

}  // namespace

DtlsContext::DtlsContext(std::string node, std::string peer, ByteVector key)
    : node_(std::move(node)),
      peer_(std::move(peer)),
      key_(std::move(key)),
      context_(::SSL_CTX_new(::DTLS_method())) {}

DtlsContext::~DtlsContext() {
  ::OPENSSL_cleanse(key_.data(), key_.size());
}

Result<std::unique_ptr<DtlsContext>> DtlsContext::make(std::string node, std::string peer, ByteVector key) {
  if (key.size() < kShortestKey || key.size() > kLongestKey) {
    return fail(Blame::configuration, "the replication key has " + std::to_string(key.size()) +
                                          " bytes, it needs " + std::to_string(kShortestKey) + " to " +
                                          std::to_string(kLongestKey));
  }
  std::unique_ptr<DtlsContext> context(new DtlsContext(std::move(node), std::move(peer), std::move(key)));
  if (auto done = context->configure(); !done) return std::unexpected(done.error());
  return context;
}

Status DtlsContext::configure() {
  SSL_CTX* context = context_.get();
  if (context == nullptr) return openssl_failure("OpenSSL gives no DTLS context");
  ::SSL_CTX_set_ex_data(context, 0, this);
  char groups[] = "X25519:P-256";  // OpenSSL's macro takes it as not constant
  if (::SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
      ::SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) != 1 ||
      ::SSL_CTX_set_cipher_list(context, kCiphers) != 1 || ::SSL_CTX_set1_groups_list(context, groups) != 1 ||
      ::SSL_CTX_set_dh_auto(context, 1) != 1 ||
      ::SSL_CTX_use_psk_identity_hint(context, node_.c_str()) != 1) {
    return openssl_failure("OpenSSL refuses the ciphers of the replication channel");
  }
  // Each association is fresh: nothing is resumed, nothing renegotiated.
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_DH_USE);
  ::SSL_CTX_set_psk_client_callback(context, &DtlsContext::on_client_key);
  ::SSL_CTX_set_psk_server_callback(context, &DtlsContext::on_server_key);
  ::SSL_CTX_set_cookie_generate_cb(context, &DtlsContext::on_make_cookie);
  ::SSL_CTX_set_cookie_verify_cb(context, &DtlsContext::on_check_cookie);
  for (Secret& secret : secrets_) {
    if (::RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1)
      return openssl_failure("no randomness");
  }
  return {};
}

void DtlsContext::refresh_cookie_secret(Instant now) {
  if (now - secret_since_ < kSecretLifetime) return;
  secrets_[1] = secrets_[0];
  // Without fresh randomness the old secret stays: no handshake would succeed either.
  ::RAND_bytes(secrets_[0].data(), static_cast<int>(secrets_[0].size()));
  secret_since_ = now;
}

bool DtlsContext::accept_name(std::string_view name) {
  if (name == peer_) return true;
  ++(name == node_ ? refusals_.own_name : refusals_.other_name);
  return false;
}

unsigned DtlsContext::copy_key(unsigned char* out, unsigned capacity) const {
  if (capacity < key_.size()) return 0;
  std::ranges::copy(key_, out);
  return static_cast<unsigned>(key_.size());
}

// The server's name comes as the hint, ours goes as the identity. 0 ends the handshake.
unsigned DtlsContext::on_client_key(SSL* ssl, const char* hint, char* identity, unsigned identity_capacity,
                                    unsigned char* key, unsigned key_capacity) {
  DtlsContext& self = context_of(ssl);
  if (!self.accept_name(hint == nullptr ? "" : hint)) return 0;
  if (self.node_.size() + 1 > identity_capacity) return 0;
  std::memcpy(identity, self.node_.c_str(), self.node_.size() + 1);
  return self.copy_key(key, key_capacity);
}

unsigned DtlsContext::on_server_key(SSL* ssl, const char* identity, unsigned char* key,
                                    unsigned key_capacity) {
  DtlsContext& self = context_of(ssl);
  return self.accept_name(identity) ? self.copy_key(key, key_capacity) : 0;
}

int DtlsContext::on_make_cookie(SSL* ssl, unsigned char* cookie, unsigned* length) {
  cookie_of(context_of(ssl).secrets_[0], cookie);
  *length = kCookieBytes;
  return 1;
}

int DtlsContext::on_check_cookie(SSL* ssl, const unsigned char* cookie, unsigned length) {
  if (length != kCookieBytes) return 0;
  unsigned char expected[kCookieBytes];
  for (const Secret& secret : context_of(ssl).secrets_) {
    cookie_of(secret, expected);
    if (::CRYPTO_memcmp(cookie, expected, kCookieBytes) == 0) return 1;
  }
  return 0;
}

}  // namespace ftfw::sync
