// One rule and one packet: the expressions from left to right until one of them does not match or decides.
// Each means what firewall/linux/expressions.cpp makes of it in the kernel (nft_cmp, nft_lookup, nft_ct,
// nft_fib, nft_nat ...). Internal to evaluate.cpp. Pure.
#pragma once

#include <optional>
#include <string>

#include "firewall/evaluate.hpp"

namespace ftfw::firewall {

class RuleWalk {
 public:
  // hook_out: whether the packet's way out is known in this hook (not before it is routed). All outlive the
  // walk.
  RuleWalk(const Table& table, const Surroundings& surroundings, const Packet& packet, Hook hook,
           bool rate_exceeded)
      : table_(table),
        surroundings_(surroundings),
        packet_(packet),
        hook_(hook),
        rate_exceeded_(rate_exceeded) {}

  // Nothing: the packet does not meet the conditions.
  std::optional<Effect> walk(const Rule& rule);

  // After the walk.
  bool met_limit() const { return met_limit_; }
  const std::string& chain() const { return chain_; }                             // Effect::jumps
  const std::optional<Translation>& translation() const { return translation_; }  // Effect::translates

  // Each says whether the walk goes on behind the expression.
  bool operator()(const InterfaceMatch& match);
  bool operator()(const ProtocolMatch& match);
  bool operator()(const PortMatch& match);
  bool operator()(const TcpFlagsMatch& match);
  bool operator()(const IcmpMatch& match);
  bool operator()(const AddressMatch& match);
  bool operator()(const MarkMatch& match);
  bool operator()(const CtStateMatch& match);
  bool operator()(const CtDirectionMatch& match);
  bool operator()(const CtExpectedMatch& match);
  bool operator()(const CtTranslatedMatch& match);
  bool operator()(const CtHelperMatch& match);
  bool operator()(const UnicastElsewhereMatch& match);
  bool operator()(const NoWayBackMatch& match);
  bool operator()(const SetHelper& set);
  bool operator()(const Count& count);
  bool operator()(const CountRule& count);
  bool operator()(const FlowAdd& flow);
  bool operator()(const Limit& limit);
  bool operator()(const Log& log);
  bool operator()(const Translate& translate);
  bool operator()(const Masquerade& masquerade);
  bool operator()(const Redirect& redirect);
  bool operator()(const Reject& reject);
  bool operator()(const Accept& accept);
  bool operator()(const Drop& drop);
  bool operator()(const Goto& jump);

 private:
  bool is_tracked() const;
  const SetObject* set_named(const std::string& name) const;
  bool decide(Effect effect);
  bool translate(Side side, const AddressRange& to, const std::optional<PortRange>& ports);
  bool translate_to_own(Side side, const std::string& interface, const std::optional<PortRange>& ports);

  const Table& table_;
  const Surroundings& surroundings_;
  const Packet& packet_;
  Hook hook_;
  bool rate_exceeded_;
  bool met_limit_ = false;
  std::string chain_;
  std::optional<Translation> translation_;
  std::optional<Effect> effect_;
};

}  // namespace ftfw::firewall
