// Owning pointers for libnftnl objects. Allocation failure is std::bad_alloc, as for every other allocation.
#pragma once

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#include <memory>
#include <new>

namespace ftfw::firewall::linux_nft {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using TableHandle = std::unique_ptr<nftnl_table, Deleter<nftnl_table_free>>;
using ChainHandle = std::unique_ptr<nftnl_chain, Deleter<nftnl_chain_free>>;
using RuleHandle = std::unique_ptr<nftnl_rule, Deleter<nftnl_rule_free>>;
using SetHandle = std::unique_ptr<nftnl_set, Deleter<nftnl_set_free>>;
using ObjectHandle = std::unique_ptr<nftnl_obj, Deleter<nftnl_obj_free>>;
using FlowtableHandle = std::unique_ptr<nftnl_flowtable, Deleter<nftnl_flowtable_free>>;
using GenerationHandle = std::unique_ptr<nftnl_gen, Deleter<nftnl_gen_free>>;
using UserdataHandle = std::unique_ptr<nftnl_udata_buf, Deleter<nftnl_udata_buf_free>>;

template <typename T>
T* allocated(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

}  // namespace ftfw::firewall::linux_nft
