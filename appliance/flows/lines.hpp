// Flows in the very words of conntrack(8): the lines are written by libnetfilter_conntrack, as there. Pure.
#pragma once

#include <string>

#include "sync/conntrack_entry.hpp"
#include "sync/expectation.hpp"

struct nlmsghdr;

namespace ftfw {

enum class LineFormat : std::uint8_t {
  plain,     // "tcp      6 431999 ESTABLISHED src=...", conntrack -L
  extended,  // "ipv4     2 tcp      6 ...", conntrack -L -o extended
};

// Each appends one line, with its end. Of a message of ctnetlink (conntrack or expectation); nothing if the
// library does not understand it.
void append_line(std::string& out, const nlmsghdr& message, LineFormat format);
// Of a value; what the kernel alone knows (use=, packets=) is not there.
void append_line(std::string& out, const sync::ConntrackEntry& entry, LineFormat format);
void append_line(std::string& out, const sync::Expectation& expectation, LineFormat format);

}  // namespace ftfw
