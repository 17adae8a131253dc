#include "firewall/linux/objects.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <vector>

#include "firewall/linux/handles.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

constexpr std::int32_t kPriorityFilter = 0;

ObjectHandle make_object(const std::string& table, const std::string& name, std::uint32_t type) {
  ObjectHandle object(allocated(::nftnl_obj_alloc()));
  ::nftnl_obj_set_u32(object.get(), NFTNL_OBJ_FAMILY, NFPROTO_INET);
  ::nftnl_obj_set_str(object.get(), NFTNL_OBJ_TABLE, table.c_str());
  ::nftnl_obj_set_str(object.get(), NFTNL_OBJ_NAME, name.c_str());
  ::nftnl_obj_set_u32(object.get(), NFTNL_OBJ_TYPE, type);
  return object;
}

FlowtableHandle make_flowtable(const std::string& table, const std::string& name) {
  FlowtableHandle handle(allocated(::nftnl_flowtable_alloc()));
  ::nftnl_flowtable_set_u32(handle.get(), NFTNL_FLOWTABLE_FAMILY, NFPROTO_INET);
  ::nftnl_flowtable_set_str(handle.get(), NFTNL_FLOWTABLE_TABLE, table.c_str());
  ::nftnl_flowtable_set_str(handle.get(), NFTNL_FLOWTABLE_NAME, name.c_str());
  return handle;
}

void add_message(Batch& batch, const Origin& origin, const ObjectHandle& object) {
  batch.add(NFT_MSG_NEWOBJ, NLM_F_CREATE, origin,
            [&](nlmsghdr& header) { ::nftnl_obj_nlmsg_build_payload(&header, object.get()); });
}

}  // namespace

void add_object(Batch& batch, const std::string& table, const HelperObject& helper) {
  const ObjectHandle object = make_object(table, helper.name, NFT_OBJECT_CT_HELPER);
  ::nftnl_obj_set_str(object.get(), NFTNL_OBJ_CT_HELPER_NAME, helper.type.c_str());
  ::nftnl_obj_set_u8(object.get(), NFTNL_OBJ_CT_HELPER_L4PROTO, helper.protocol);
  ::nftnl_obj_set_u16(object.get(), NFTNL_OBJ_CT_HELPER_L3PROTO, NFPROTO_INET);
  add_message(batch, {.where = helper.where, .table = table, .kind = "ct helper", .name = helper.name},
              object);
}

void add_object(Batch& batch, const std::string& table, const CounterObject& counter,
                const CounterValues& carried) {
  const ObjectHandle object = make_object(table, counter.name, NFT_OBJECT_COUNTER);
  const auto value = carried.find(counter.name);
  ::nftnl_obj_set_u64(object.get(), NFTNL_OBJ_CTR_PKTS, value == carried.end() ? 0 : value->second.packets);
  ::nftnl_obj_set_u64(object.get(), NFTNL_OBJ_CTR_BYTES, value == carried.end() ? 0 : value->second.bytes);
  add_message(batch, {.where = counter.where, .table = table, .kind = "counter", .name = counter.name},
              object);
}

void delete_object(Batch& batch, const std::string& table, const HelperObject& helper) {
  const ObjectHandle object = make_object(table, helper.name, NFT_OBJECT_CT_HELPER);
  batch.add(NFT_MSG_DELOBJ, 0,
            {.where = helper.where, .table = table, .kind = "ct helper", .name = helper.name},
            [&](nlmsghdr& header) { ::nftnl_obj_nlmsg_build_payload(&header, object.get()); });
}

void delete_object(Batch& batch, const std::string& table, const CounterObject& counter) {
  const ObjectHandle object = make_object(table, counter.name, NFT_OBJECT_COUNTER);
  batch.add(NFT_MSG_DELOBJ, 0,
            {.where = counter.where, .table = table, .kind = "counter", .name = counter.name},
            [&](nlmsghdr& header) { ::nftnl_obj_nlmsg_build_payload(&header, object.get()); });
}

void delete_object(Batch& batch, const std::string& table, const FlowtableObject& flowtable) {
  const FlowtableHandle handle = make_flowtable(table, flowtable.name);
  batch.add(NFT_MSG_DELFLOWTABLE, 0,
            {.where = flowtable.where, .table = table, .kind = "flowtable", .name = flowtable.name},
            [&](nlmsghdr& header) { ::nftnl_flowtable_nlmsg_build_payload(&header, handle.get()); });
}

void add_object(Batch& batch, const std::string& table, const FlowtableObject& flowtable) {
  const FlowtableHandle handle = make_flowtable(table, flowtable.name);
  ::nftnl_flowtable_set_u32(handle.get(), NFTNL_FLOWTABLE_HOOKNUM, NF_NETDEV_INGRESS);
  ::nftnl_flowtable_set_s32(handle.get(), NFTNL_FLOWTABLE_PRIO, kPriorityFilter);
  std::vector<const char*> devices;
  for (const std::string& device : flowtable.devices) devices.push_back(device.c_str());
  devices.push_back(nullptr);
  ::nftnl_flowtable_set_array(handle.get(), NFTNL_FLOWTABLE_DEVICES, devices.data());
  batch.add(NFT_MSG_NEWFLOWTABLE, NLM_F_CREATE,
            {.where = flowtable.where, .table = table, .kind = "flowtable", .name = flowtable.name},
            [&](nlmsghdr& header) { ::nftnl_flowtable_nlmsg_build_payload(&header, handle.get()); });
}

}  // namespace ftfw::firewall::linux_nft
