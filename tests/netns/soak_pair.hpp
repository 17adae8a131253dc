// A pair under traffic that faults are thrown at, one after the other, and the judgement after each: fw-1 is
// primary again, every connection lives, and both kernels hold the same. Used by ftfw-soak.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/flow_mill.hpp"
#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"

namespace ftfw::lab {

class SoakPair {
 public:
  explicit SoakPair(std::uint64_t seed);

  // The names of all faults, and one of them by its number: begun, under traffic, and mended.
  static std::vector<std::string> faults();
  void inflict(std::size_t fault);
  // Empty: all is well again. Otherwise what is not, at the deadline; the lab's directory is kept then.
  std::string judge();

  std::size_t connections() const { return connections_; }
  std::size_t flows() const { return flows_; }  // at the last judgement
  Duration took() const { return took_; }       // the last judgement

 private:
  void standby_dies();
  void primary_dies();
  void hand_over();
  void primary_crashes();
  void primary_is_frozen();
  void link_is_cut();
  void link_is_lossy();
  void standby_is_flushed();
  void primary_is_flushed();
  void burst();
  void burst_that_nobody_reads();

  Appliance& daemon(Node node) { return node == Node::fw_1 ? fw_1_ : fw_2_; }
  std::optional<Node> primary();
  void wait_primary(Node node);
  void wait_gone(Node node);
  // New flows come, others end, at the node that is primary at the time.
  void churn(Duration time);
  Duration between(Duration least, Duration most);
  std::string failed(const std::string& what);

  Lab lab_;
  std::filesystem::path configuration_;
  Appliance fw_1_;
  Appliance fw_2_;
  std::mt19937_64 random_;
  std::optional<Services> services_;
  std::optional<Traffic> traffic_;
  FlowMill first_mill_;
  FlowMill second_mill_;
  std::size_t next_flow_ = 0;
  std::size_t oldest_flow_ = 0;
  std::size_t connections_ = 0;
  std::size_t flows_ = 0;
  Duration took_{};
};

}  // namespace ftfw::lab
