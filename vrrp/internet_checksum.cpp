#include "vrrp/internet_checksum.hpp"

namespace ftfw::vrrp {
namespace {

std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace

std::uint32_t sum_of_words(ByteSpan bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
  }
  return sum;
}

std::uint32_t sum_of_pseudo_header(const IpAddress& source, const IpAddress& destination,
                                   std::uint8_t protocol, std::size_t length) {
  const std::uint32_t sum = sum_of_words(destination.bytes(), sum_of_words(source.bytes(), 0));
  return sum + protocol + static_cast<std::uint32_t>(length);
}

std::uint16_t internet_checksum(ByteSpan bytes, std::uint32_t start) {
  return static_cast<std::uint16_t>(~fold(sum_of_words(bytes, start)));
}

// A correct sum over data that includes its checksum is all ones.
bool has_right_checksum(ByteSpan bytes, std::uint32_t start) {
  return fold(sum_of_words(bytes, start)) == 0xffff;
}

}  // namespace ftfw::vrrp
