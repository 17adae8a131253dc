#include "config/key_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <type_traits>
#include <utility>

#include "config/source_file.hpp"
#include "tests/unit/config/temporary_directory.hpp"

namespace ftfw::config {
namespace {

using ftfw::testing::TemporaryDirectory;

const std::string kKey = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("64 hex digits in a private file are a key, with or without the line's end") {
  const TemporaryDirectory directory;
  for (const std::string end : {"", "\n", "\r\n"}) {
    const auto key = read_key_file(directory.write("key", kKey + end, 0600));
    REQUIRE(key.has_value());
    REQUIRE(key->bytes().size() == 32);
    for (std::size_t i = 0; i < 32; ++i) CHECK(key->bytes()[i] == i);
  }
  CHECK(read_key_file(directory.write("read-only", kKey, 0400)).has_value());
}

TEST_CASE("a key file that others can use is refused with the chmod that helps") {
  const TemporaryDirectory directory;
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0601U, 0666U}) {
    CAPTURE(mode);
    const std::string path = directory.write("key", kKey, mode);
    const auto key = read_key_file(path);
    REQUIRE_FALSE(key.has_value());
    CHECK(key.error().blame == Blame::configuration);
    CHECK(key.error().text.ends_with("chmod 600 " + path));
  }
}

TEST_CASE("a key of the wrong length or of other characters is refused without showing it") {
  const TemporaryDirectory directory;
  const std::pair<std::string, std::string> wrong[] = {{"", "found 0"},
                                                       {kKey.substr(2), "found 62"},
                                                       {kKey + "00", "found more than 64"},
                                                       {kKey + kKey, "found more than 64"},
                                                       {"g" + kKey.substr(1), "found something else"},
                                                       {kKey + "\n\n", "found something else"},
                                                       {" " + kKey, "found something else"},
                                                       {std::string(32, '\0'), "found something else"}};
  for (const auto& [text, found] : wrong) {
    const auto key = read_key_file(directory.write("key", text, 0600));
    REQUIRE_FALSE(key.has_value());
    CHECK(key.error().blame == Blame::configuration);
    CHECK(key.error().text.ends_with("must hold 32 bytes as 64 hex digits, " + found));
    CHECK(key.error().text.find("0001") == std::string::npos);
  }
}

TEST_CASE("a missing key file is the system's answer, not the configuration's fault") {
  const TemporaryDirectory directory;
  const auto key = read_key_file(directory.file("none"));
  REQUIRE_FALSE(key.has_value());
  CHECK(key.error().blame == Blame::system);
  CHECK(key.error().code == ENOENT);
}

TEST_CASE("a directory or a FIFO is no key file and does not hang") {
  const TemporaryDirectory directory;
  CHECK(read_key_file(directory.file("")).error().text.ends_with("is not a regular file"));
  REQUIRE(::mkfifo(directory.file("fifo").c_str(), 0600) == 0);
  CHECK(read_key_file(directory.file("fifo")).error().text.ends_with("is not a regular file"));
}

TEST_CASE("a symbolic link is judged by the file it leads to") {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink(directory.write("good", kKey, 0600), directory.file("to-good"));
  std::filesystem::create_symlink(directory.write("open", kKey, 0644), directory.file("to-open"));
  std::filesystem::create_symlink(directory.file("gone"), directory.file("dangling"));
  CHECK(read_key_file(directory.file("to-good")).has_value());
  CHECK(read_key_file(directory.file("to-open")).error().blame == Blame::configuration);
  CHECK(read_key_file(directory.file("dangling")).error().code == ENOENT);
}

TEST_CASE("a key file of another user is refused") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can give a file to another user");
    return;
  }
  const TemporaryDirectory directory;
  const std::string path = directory.write("key", kKey, 0600);
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  const auto key = read_key_file(path);
  REQUIRE_FALSE(key.has_value());
  CHECK(key.error().text.find("belongs to user 12345") != std::string::npos);
}

TEST_CASE("a new key file is private, can be read back, and differs from the next") {
  const TemporaryDirectory directory;
  const mode_t before = ::umask(0777);
  const Status first = write_new_key_file(directory.file("a"));
  const Status second = write_new_key_file(directory.file("b"));
  ::umask(before);
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  struct stat info{};
  REQUIRE(::stat(directory.file("a").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(content(directory.file("a")).size() == 65);
  const auto a = read_key_file(directory.file("a"));
  const auto b = read_key_file(directory.file("b"));
  CHECK_FALSE(std::ranges::equal(a.value().bytes(), b.value().bytes()));
}

TEST_CASE("an existing file is never overwritten by a new key, nor through a link") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("key", kKey, 0600);
  const Status written = write_new_key_file(path);
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == EEXIST);
  CHECK(content(path) == kKey);
  std::filesystem::create_symlink(directory.file("elsewhere"), directory.file("link"));
  CHECK_FALSE(write_new_key_file(directory.file("link")).has_value());
  CHECK_FALSE(std::filesystem::exists(directory.file("elsewhere")));
}

TEST_CASE("a moved key leaves nothing behind and a key cannot be copied") {
  ReplicationKey first;
  first.writable_bytes().fill(7);
  const ReplicationKey second = std::move(first);
  CHECK(second.bytes()[31] == 7);
  // NOLINTNEXTLINE(bugprone-use-after-move): that it is wiped is the point
  CHECK(std::ranges::all_of(first.bytes(), [](std::uint8_t byte) { return byte == 0; }));
  CHECK_FALSE(std::is_copy_constructible_v<ReplicationKey>);
}

TEST_CASE("a configuration file is read with its mode, and only if it is one") {
  const TemporaryDirectory directory;
  const auto open = read_source_file(directory.write("open", "schema = 1\n", 0644));
  REQUIRE(open.has_value());
  CHECK(open->text == "schema = 1\n");
  CHECK(open->others_can_read);
  CHECK_FALSE(read_source_file(directory.write("private", "", 0640)).value().others_can_read);
  CHECK(read_source_file(directory.write("limit", std::string(kMaxSourceBytes, '#'), 0600)).has_value());
  CHECK(read_source_file(directory.write("big", std::string(kMaxSourceBytes + 1, '#'), 0600)).error().text ==
        "the configuration is larger than 1024 KiB");
  CHECK(read_source_file(directory.file("none")).error().code == ENOENT);
  CHECK(read_source_file(directory.file("")).error().blame == Blame::configuration);
}

}  // namespace
}  // namespace ftfw::config
