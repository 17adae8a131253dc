#include "tests/unit/firewall/network_namespace.hpp"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace ftfw::firewall::test {

bool enter_fresh_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::fprintf(stderr, "skipped: needs a network namespace of its own: %s\n", std::strerror(errno));
    return false;
  }
  run("ip link set lo up");
  return true;
}

std::string run(const std::string& command) {
  FILE* pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error(command + " failed: " + output);
  return output;
}

std::string nft_list_table(const std::string& name) {
  return run("nft list table inet " + name);
}

std::string nft_list_ruleset() {
  return run("nft list ruleset");
}

}  // namespace ftfw::firewall::test
