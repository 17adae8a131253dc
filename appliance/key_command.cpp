#include "appliance/key_command.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "config/key_file.hpp"

namespace ftfw {

int run_generate_key(const Options& options, std::ostream& out, std::ostream& error) {
  const std::string& path = options.key_path;
  if (const Status written = config::write_new_key_file(path); !written) {
    const bool exists = written.error().code == EEXIST;
    error << fmt::format("ftfw-appliance: {}{}\n", written.error().text,
                         exists ? "; a key is never overwritten: move the old one away first" : "");
    return exit_status(ExitCode::system_refuses);
  }
  out << fmt::format(
      "{}: a new replication key, readable by its owner only.\n"
      "Both firewalls need the same one: copy it over a safe way, such as scp -p.\n",
      path);
  return exit_status(ExitCode::ok);
}

}  // namespace ftfw
