// The replication key: 32 bytes, as 64 hex digits in a file that only its owner can read. The one part of
// config/ that touches files, besides source_file.hpp. Invariant: the key lives in one object, wipes itself,
// and has no way to be printed; error texts name the file and never a byte of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"

namespace ftfw::config {

class ReplicationKey {
 public:
  static constexpr std::size_t kBytes = 32;

  ReplicationKey() = default;
  ReplicationKey(ReplicationKey&& other) noexcept;
  ReplicationKey& operator=(ReplicationKey&& other) noexcept;
  ReplicationKey(const ReplicationKey&) = delete;
  ReplicationKey& operator=(const ReplicationKey&) = delete;
  ~ReplicationKey();

  ByteSpan bytes() const { return bytes_; }
  std::array<std::uint8_t, kBytes>& writable_bytes() { return bytes_; }

 private:
  std::array<std::uint8_t, kBytes> bytes_{};
};

// Opens the file once and judges what it opened, so nothing can be exchanged between check and use; a
// symbolic link is followed and its target judged. Blame::system with errno: the file cannot be opened or
// read. Blame::configuration: others can read it (the text says which chmod helps), or it holds no key.
Result<ReplicationKey> read_key_file(const std::string& path);

// A new random key, mode 0600. Never overwrites: an existing file is Blame::system, EEXIST.
Status write_new_key_file(const std::string& path);

}  // namespace ftfw::config
