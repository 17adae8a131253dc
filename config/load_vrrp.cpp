// [vrrp] and [vrrp.announcements].
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/duration.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// RFC 3768 5.3.7: one byte, seconds. RFC 9568 5.2.7: 12 bits, centiseconds.
constexpr Duration kMaxIntervalV2 = 255s;
constexpr Duration kIntervalStepV3 = 10ms;  // up to kMaxIntervalV3
constexpr std::int64_t kFewestMissed = 2;   // one lost packet is no reason for a takeover
constexpr std::int64_t kMostMissed = 100;
// Below this interval the scheduling of a busy machine costs an advertisement now and then.
constexpr Duration kShortInterval = 100ms;
constexpr std::int64_t kEnoughMissed = 3;
constexpr Duration kMaxPreemptDelay = 1000s;
constexpr Duration kMaxStartupDelay = 1h;
// For so long the kernel keeps the addresses of a node without a living peer: kLeaseAlone of
// appliance/failover.
constexpr Duration kLoneLease = 60s;
constexpr std::int64_t kMaxRepeats = 100;
constexpr Duration kMaxSpacing = 10s;
constexpr Duration kMaxSecondBurst = 10min;
constexpr Duration kMinRefresh = 1s;
constexpr Duration kMaxRefresh = 24h;

constexpr std::array<std::string_view, 1> kAuthenticationTypes{"pass"};
constexpr std::array<std::string_view, 2> kChecksumForms{"pseudo_header", "rfc9568"};
constexpr std::array<ChecksumForm, 2> kChecksumFormValues{ChecksumForm::pseudo_header,
                                                          ChecksumForm::message_only};
constexpr std::array<std::string_view, 3> kArpForms{"request", "reply", "both"};
constexpr std::array<ArpForm, 3> kArpFormValues{ArpForm::request, ArpForm::reply, ArpForm::both};

void read_interval(Section& section, Vrrp& vrrp, bool version_is_known) {
  const auto value = section.value({"advertisement_interval", vrrp.version == 2 ? "\"1s\"" : "\"100ms\""});
  // The versions' own limits are told below, in their words.
  const auto interval = value ? value->duration(0s, Duration::max()) : std::nullopt;
  if (!interval) return;
  const Duration length = interval->value;
  vrrp.advertisement_interval = length;
  vrrp.interval_where = interval->where;
  if (!version_is_known) return;
  const bool fits_v2 = length >= 1s && length <= kMaxIntervalV2 && length % 1s == Duration::zero();
  const bool fits_v3 =
      length >= kIntervalStepV3 && length <= kMaxIntervalV3 && length % kIntervalStepV3 == Duration::zero();
  if (vrrp.version == 2 && !fits_v2) {
    const std::string text =
        fmt::format("VRRP version 2 carries whole seconds from 1s to 255s, not {}", format_duration(length));
    fits_v3 ? value->error(text, "version = 3 carries 10ms to 40.95s") : value->error(text);
  } else if (vrrp.version == 3 && !fits_v3) {
    value->error(fmt::format("VRRP version 3 carries steps of 10ms from 10ms to 40.95s, not {}",
                             format_duration(length)));
  }
}

void read_missed(Section& section, Vrrp& vrrp) {
  const auto missed = section.integer({"missed_advertisements", "3"}, kFewestMissed, kMostMissed);
  if (!missed) return;
  vrrp.missed_advertisements = static_cast<int>(missed->value);
  if (vrrp.advertisement_interval >= kShortInterval || missed->value >= kEnoughMissed) return;
  section.diagnostics().warning(
      missed->where,
      fmt::format("a primary that is late by {} is taken for dead",
                  format_duration(vrrp.advertisement_interval * missed->value)),
      "three or more missed advertisements at an interval below 100ms; a busy machine loses one now and "
      "then");
}

void read_authentication(Section& section, Vrrp& vrrp) {
  auto authentication = section.table(
      {"authentication", "for example: authentication = { type = \"pass\", password = \"...\" }"},
      "authentication");
  if (!authentication) return;
  if (vrrp.version == 3) {
    section.diagnostics().error(section.where_key("authentication"), "VRRP version 3 has no authentication",
                                "leave `authentication` out, or use version = 2");
  }
  authentication->choice({"type", "\"pass\"", Need::required}, kAuthenticationTypes);
  if (const auto value = authentication->value({"password", "\"...\"", Need::required})) {
    const auto password = value->text();
    if (password && password->value.empty()) {
      value->error("the password is empty", "leave `authentication` out to do without");
    } else if (password) {
      // Longer passwords are cut: the wire has room for 8 bytes (RFC 2338 5.3.10), as in keepalived.
      std::array<std::uint8_t, 8> pass{};
      std::copy_n(password->value.begin(), std::min(pass.size(), password->value.size()), pass.begin());
      vrrp.pass = pass;
      vrrp.pass_where = password->where;
    }
  }
  authentication->finish();
}

void read_preference(Section& section, Vrrp& vrrp) {
  if (const auto preempt = section.flag({"preempt", "true"})) vrrp.preempt = preempt->value;
  if (const auto delay = section.duration({"preempt_delay", "\"30s\""}, 0s, kMaxPreemptDelay)) {
    vrrp.preempt_delay = delay->value;
    if (!vrrp.preempt && delay->value > 0s) {
      section.diagnostics().warning(delay->where, "'preempt_delay' does nothing with preempt = false",
                                    "leave it out, or preempt = true");
    }
  }
  if (const auto delay = section.duration({"startup_delay", "\"10s\""}, 0s, kMaxStartupDelay)) {
    vrrp.startup_delay = delay->value;
    if (delay->value > kLoneLease) {
      section.diagnostics().warning(
          delay->where,
          fmt::format(
              "the addresses of a lone node that restarts are gone before it claims: they stay {} without it",
              format_duration(kLoneLease)),
          "for example: startup_delay = \"10s\"");
    }
  }
  if (const auto wait = section.duration({"sync_wait", "\"60s\""}, 0s, 1h)) vrrp.sync_wait = wait->value;
}

Announcements read_announcements(Section& vrrp) {
  Announcements announcements;
  auto section = vrrp.table({"announcements", "for example: [vrrp.announcements] with refresh = \"60s\""},
                            "[vrrp.announcements]");
  if (!section) return announcements;
  if (const auto repeats = section->integer({"repeats", "5"}, 1, kMaxRepeats))
    announcements.repeats = static_cast<int>(repeats->value);
  if (const auto spacing = section->duration({"spacing", "\"20ms\""}, 0s, kMaxSpacing))
    announcements.spacing = spacing->value;
  if (const auto second = section->duration({"second_burst", "\"5s\""}, 0s, kMaxSecondBurst))
    announcements.second_burst = second->value;
  if (const auto value = section->value({"refresh", "\"60s\""})) {
    const auto refresh = value->duration(0s, kMaxRefresh);
    if (refresh) announcements.refresh = refresh->value;
    if (refresh && refresh->value > 0s && refresh->value < kMinRefresh) {
      value->error(fmt::format("'refresh' must be 0s (never) or 1s to 24h, found '{}'",
                               format_duration(refresh->value)));
    }
  }
  if (const auto arp = section->choice({"arp", "\"request\""}, kArpForms))
    announcements.arp = kArpFormValues.at(arp->value);
  section->finish();
  return announcements;
}

}  // namespace

Vrrp read_vrrp(Section& root) {
  Vrrp vrrp;
  auto section = root.table({"vrrp", "for example: [vrrp]"}, "[vrrp]");
  if (!section) return vrrp;
  const auto version = section->integer({"version", "3"}, 2, 3);
  if (version) vrrp.version = static_cast<std::uint8_t>(version->value);
  const bool version_is_known = version || !section->has("version");
  read_interval(*section, vrrp, version_is_known);
  read_missed(*section, vrrp);
  if (version_is_known) {
    read_authentication(*section, vrrp);
  } else {
    section->value({"authentication", ""});
  }
  if (const auto form = section->choice({"checksum", "\"pseudo_header\""}, kChecksumForms)) {
    vrrp.checksum = kChecksumFormValues.at(form->value);
    vrrp.checksum_where = form->where;
  }
  read_preference(*section, vrrp);
  vrrp.announcements = read_announcements(*section);
  section->finish();
  return vrrp;
}

}  // namespace ftfw::config
