// A network namespace of the test's own, in which it is root over an empty ruleset; programs it runs are in
// it, too.
#pragma once

#include <string>

namespace ftfw::firewall::test {

// Moves this thread into a fresh network namespace with loopback up. False, with one line that says why, if
// the test must be skipped.
bool enter_fresh_namespace();

// Output (stdout and stderr) of a shell command that must succeed.
std::string run(const std::string& command);

// What nft 1.0.6 prints for the whole ruleset.
std::string nft_list_ruleset();
std::string nft_list_table(const std::string& name);  // of the family inet

}  // namespace ftfw::firewall::test
