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
// Of a fingerprint: enough to tell two keys apart.
constexpr std::size_t kFingerprintBytes = 8;

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

// The first word of "NAME FINGERPRINT ...", which it leaves behind. Names and fingerprints have no blanks.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::unexpected<Error> openssl_failure(const char* what) {
  char text[256];
  ::ERR_error_string_n(::ERR_get_error(), text, sizeof text);
  return fail(Blame::system, std::string(what) + ": " + text);
}

}  // namespace

DtlsContext::DtlsContext(std::string node, std::string peer)
    : node_(std::move(node)), peer_(std::move(peer)), context_(::SSL_CTX_new(::DTLS_method())) {}

DtlsContext::~DtlsContext() {
  for (Key& key : keys_) ::OPENSSL_cleanse(key.bytes.data(), key.bytes.size());
}

Result<std::unique_ptr<DtlsContext>> DtlsContext::make(std::string node, std::string peer, ByteVector key,
                                                       ByteVector next_key) {
  std::unique_ptr<DtlsContext> context(new DtlsContext(std::move(node), std::move(peer)));
  // A key that moves when the list grows would leave a copy behind that nobody wipes.
  context->keys_.reserve(2);
  if (auto added = context->add_key(std::move(key)); !added) return std::unexpected(added.error());
  if (!next_key.empty()) {
    if (auto added = context->add_key(std::move(next_key)); !added) return std::unexpected(added.error());
  }
  if (auto done = context->configure(); !done) return std::unexpected(done.error());
  return context;
}

Status DtlsContext::add_key(ByteVector bytes) {
  if (bytes.size() < kShortestKey || bytes.size() > kLongestKey) {
    return fail(Blame::configuration, "the replication key has " + std::to_string(bytes.size()) +
                                          " bytes, it needs " + std::to_string(kShortestKey) + " to " +
                                          std::to_string(kLongestKey));
  }
  static constexpr std::string_view kLabel = "ftfw-appliance replication key";
  ByteVector labelled(kLabel.begin(), kLabel.end());
  labelled.insert(labelled.end(), bytes.begin(), bytes.end());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  const int hashed =
      ::EVP_Digest(labelled.data(), labelled.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr);
  ::OPENSSL_cleanse(labelled.data(), labelled.size());
  if (hashed != 1) return openssl_failure("OpenSSL gives no SHA-256");
  Key key{.bytes = std::move(bytes), .fingerprint = {}};
  for (std::size_t i = 0; i < kFingerprintBytes; ++i) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    key.fingerprint += kDigits[digest.at(i) >> 4];
    key.fingerprint += kDigits[digest.at(i) & 15];
  }
  keys_.push_back(std::move(key));
  return {};
}

Status DtlsContext::configure() {
  SSL_CTX* context = context_.get();
  if (context == nullptr) return openssl_failure("OpenSSL gives no DTLS context");
  ::SSL_CTX_set_ex_data(context, 0, this);
  std::string hint = node_;
  for (const Key& key : keys_) hint += ' ' + key.fingerprint;
  char groups[] = "X25519:P-256";  // OpenSSL's macro takes it as not constant
  if (::SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
      ::SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) != 1 ||
      ::SSL_CTX_set_cipher_list(context, kCiphers) != 1 || ::SSL_CTX_set1_groups_list(context, groups) != 1 ||
      ::SSL_CTX_set_dh_auto(context, 1) != 1 || ::SSL_CTX_use_psk_identity_hint(context, hint.c_str()) != 1) {
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

const DtlsContext::Key* DtlsContext::find_key(std::string_view fingerprint) const {
  const auto found = std::ranges::find(keys_, fingerprint, &Key::fingerprint);
  return found == keys_.end() ? nullptr : &*found;
}

bool DtlsContext::is_next_key(std::string_view identity) const {
  take_word(identity);
  return find_key(take_word(identity)) == keys_.data() + 1;
}

// The server's name and keys come as the hint, ours go as the identity. 0 ends the handshake. With no key in
// common ours is offered all the same: it is for the server to find that out and to say so.
unsigned DtlsContext::on_client_key(SSL* ssl, const char* hint, char* identity, unsigned identity_capacity,
                                    unsigned char* key, unsigned key_capacity) {
  DtlsContext& self = context_of(ssl);
  std::string_view rest = hint == nullptr ? "" : hint;
  if (!self.accept_name(take_word(rest))) return 0;
  const Key* chosen = nullptr;
  while (!rest.empty()) {
    const Key* common = self.find_key(take_word(rest));
    if (common != nullptr && (chosen == nullptr || common < chosen)) chosen = common;
  }
  if (chosen == nullptr) chosen = self.keys_.data();
  const std::string offer = self.node_ + ' ' + chosen->fingerprint;
  if (offer.size() + 1 > identity_capacity || chosen->bytes.size() > key_capacity) return 0;
  std::memcpy(identity, offer.c_str(), offer.size() + 1);
  std::ranges::copy(chosen->bytes, key);
  return static_cast<unsigned>(chosen->bytes.size());
}

unsigned DtlsContext::on_server_key(SSL* ssl, const char* identity, unsigned char* key,
                                    unsigned key_capacity) {
  DtlsContext& self = context_of(ssl);
  std::string_view rest = identity;
  if (!self.accept_name(take_word(rest))) return 0;
  const Key* told = self.find_key(take_word(rest));
  if (told == nullptr) ++self.refusals_.other_key;
  if (told == nullptr || told->bytes.size() > key_capacity) return 0;
  std::ranges::copy(told->bytes, key);
  return static_cast<unsigned>(told->bytes.size());
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
