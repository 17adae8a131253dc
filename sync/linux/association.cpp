#include "sync/linux/association.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sync/linux/channel.hpp"

namespace ftfw::sync {

namespace {

// Of one datagram's UDP payload. A handshake flight fits in one, and so does Channel::kMaxPayload with its
// record.
constexpr long kDatagramBytes = 1372;
constexpr unsigned kTimerOutOfReachUs = 3'600'000'000;

unsigned timer_out_of_reach(SSL*, unsigned) {
  return kTimerOutOfReachUs;
}

}  // namespace

Result<std::unique_ptr<Association>> Association::make(DtlsContext& context, Role role) {
  SSL* ssl = ::SSL_new(context.get());
  BIO* bio = ::BIO_new(datagram_method());
  if (ssl == nullptr || bio == nullptr) {
    ::SSL_free(ssl);
    ::BIO_free(bio);
    return fail(Blame::system, "OpenSSL has no memory for an association", ENOMEM);
  }
  std::unique_ptr<Association> association(new Association(ssl, role));
  ::BIO_set_data(bio, association.get());
  ::SSL_set_bio(ssl, bio, bio);
  ::SSL_set_mtu(ssl, kDatagramBytes);
  ::DTLS_set_timer_cb(ssl, timer_out_of_reach);
  if (role == Role::client) {
    ::SSL_set_connect_state(ssl);
  } else {
    ::SSL_set_accept_state(ssl);
  }
  return association;
}

Association::~Association() = default;

Association::Hello Association::listen(ByteSpan client_hello) {
  struct FreeAddress {
    void operator()(BIO_ADDR* address) const { ::BIO_ADDR_free(address); }
  };
  const std::unique_ptr<BIO_ADDR, FreeAddress> nobody(::BIO_ADDR_new());
  ::ERR_clear_error();
  inbound_ = client_hello;
  const int result = ::DTLSv1_listen(ssl_.get(), nobody.get());
  inbound_ = {};
  if (result == 1) return Hello::accepted;
  return outbound_.empty() ? Hello::refused : Hello::cookie_sent;
}

void Association::advance() {
  if (stage_ == Stage::handshaking) shake_hands();
  if (stage_ == Stage::established) read_all();
}

void Association::feed(ByteSpan datagram) {
  inbound_ = datagram;
  advance();
  inbound_ = {};
}

void Association::shake_hands() {
  ::ERR_clear_error();
  const int result = ::SSL_do_handshake(ssl_.get());
  if (result == 1) {
    stage_ = Stage::established;
  } else if (::SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    stage_ = Stage::failed;
  }
}

void Association::read_all() {
  std::array<std::uint8_t, SSL3_RT_MAX_PLAIN_LENGTH> buffer;
  for (;;) {
    ::ERR_clear_error();
    const int got = ::SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got > 0) {
      received_.emplace_back(buffer.begin(), buffer.begin() + got);
      continue;
    }
    const int error = ::SSL_get_error(ssl_.get(), got);
    if (error == SSL_ERROR_ZERO_RETURN) {
      stage_ = Stage::closed;
    } else if (error != SSL_ERROR_WANT_READ) {
      stage_ = Stage::failed;
    }
    return;
  }
}

Status Association::write(ByteSpan payload) {
  if (payload.size() > Channel::kMaxPayload) {
    return fail(Blame::system, "a frame of " + std::to_string(payload.size()) + " bytes is too long",
                EMSGSIZE);
  }
  ::ERR_clear_error();
  if (stage_ != Stage::established ||
      ::SSL_write(ssl_.get(), payload.data(), static_cast<int>(payload.size())) <= 0) {
    return fail(Blame::system, "no association with the peer", ENOTCONN);
  }
  return {};
}

void Association::close() {
  ::ERR_clear_error();
  if (stage_ == Stage::established) ::SSL_shutdown(ssl_.get());
  stage_ = Stage::closed;
}

// ---- the BIO: one read is one datagram, one write is one datagram

const BIO_METHOD* Association::datagram_method() {
  struct FreeMethod {
    void operator()(BIO_METHOD* method) const { ::BIO_meth_free(method); }
  };
  static const std::unique_ptr<BIO_METHOD, FreeMethod> method = [] {
    BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams in memory");
    ::BIO_meth_set_read(made, &Association::on_read);
    ::BIO_meth_set_write(made, &Association::on_write);
    ::BIO_meth_set_ctrl(made, &Association::on_control);
    ::BIO_meth_set_create(made, [](BIO* bio) {
      ::BIO_set_init(bio, 1);
      return 1;
    });
    return std::unique_ptr<BIO_METHOD, FreeMethod>(made);
  }();
  return method.get();
}

int Association::on_read(BIO* bio, char* out, int capacity) {
  auto& self = *static_cast<Association*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.inbound_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(self.inbound_.size(), static_cast<std::size_t>(capacity));
  std::copy_n(self.inbound_.begin(), count, reinterpret_cast<std::uint8_t*>(out));
  self.inbound_ = {};
  return static_cast<int>(count);
}

int Association::on_write(BIO* bio, const char* data, int size) {
  auto& self = *static_cast<Association*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto* first = reinterpret_cast<const std::uint8_t*>(data);
  self.outbound_.emplace_back(first, first + size);
  return size;
}

long Association::on_control(BIO*, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return kDatagramBytes;
    // Everything else is about sockets, which are not here.
    default:
      return 0;
  }
}

}  // namespace ftfw::sync
