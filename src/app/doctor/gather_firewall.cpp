// SPDX-License-Identifier: Apache-2.0
// Base chains of nftables that drop what no rule lets in, asked of the kernel (nfnetlink). Rules are not
// judged.
#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/net/listen.hpp>

#include "../probe/text.hpp"
#include "gather.hpp"

namespace ts::app::doctor {
namespace {

constexpr std::size_t kAnswerBytes = 65'536;

/// One base chain as far as it is told.
struct Chain {
  std::string table;
  std::string name;
  std::optional<std::uint32_t> hook;
  std::optional<std::uint32_t> policy;
};

std::uint32_t be32(ByteView bytes) { return bytes.size() < 4 ? 0 : load_be32(bytes.data()); }

std::string text_of(ByteView bytes) {
  std::string_view text = as_text(bytes);
  return probe::printable(text.substr(0, text.find('\0')), 64);
}

/// Calls `each` with type and value of attributes, as long as they are whole.
template <class Each>
void attributes(ByteView bytes, Each&& each) {
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > bytes.size()) return;
    each(static_cast<unsigned>(head.nla_type & NLA_TYPE_MASK),
         bytes.subspan(sizeof head, head.nla_len - sizeof head));
    bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), (head.nla_len + 3U) & ~std::size_t{3}));
  }
}

Chain chain_of(ByteView bytes) {
  Chain out;
  attributes(bytes, [&](unsigned type, ByteView value) {
    if (type == NFTA_CHAIN_TABLE) out.table = text_of(value);
    if (type == NFTA_CHAIN_NAME) out.name = text_of(value);
    if (type == NFTA_CHAIN_POLICY) out.policy = be32(value);
    if (type != NFTA_CHAIN_HOOK) return;
    attributes(value, [&](unsigned inner, ByteView number) {
      if (inner == NFTA_HOOK_HOOKNUM) out.hook = be32(number);
    });
  });
  return out;
}

/// Asks for all chains; the errno, or 0.
int ask_for_chains(int descriptor) {
  struct Request {
    nlmsghdr head;
    nfgenmsg body;
  } request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.nfgen_family = AF_UNSPEC;
  request.body.version = NFNETLINK_V0;
  const timeval limit{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return ::send(descriptor, &request, sizeof request, 0) < 0 ? errno : 0;
}

/// Reads one answer; true when it was the last. `error`: the kernel's errno.
bool read_chains(ByteView bytes, std::vector<std::string>& dropping, int& error) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > bytes.size()) return true;
    const ByteView body = bytes.subspan(sizeof head, head.nlmsg_len - sizeof head);
    if (head.nlmsg_type == NLMSG_DONE) return true;
    if (head.nlmsg_type == NLMSG_ERROR) {
      int code = 0;
      if (body.size() >= sizeof code) std::memcpy(&code, body.data(), sizeof code);
      error = -code;
      return true;
    }
    if (body.size() >= sizeof(nfgenmsg)) {
      const unsigned family = body[0];
      const Chain chain = chain_of(body.subspan(sizeof(nfgenmsg)));
      const bool of_ip = family == NFPROTO_INET || family == NFPROTO_IPV4 || family == NFPROTO_IPV6;
      if (of_ip && chain.hook == NF_INET_LOCAL_IN && chain.policy == NF_DROP)
        dropping.push_back("chain " + chain.name + " of table " + chain.table);
    }
    bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), (head.nlmsg_len + 3U) & ~std::size_t{3}));
  }
  return false;
}

std::string needed_ports(const config::Config& config) {
  const net::Options& net = config.net;
  const bool tls = !net.tls_cert_file.empty() || net.tls_self_signed;
  std::string out;
  const auto add = [&out](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
  if (net.udp) add(std::to_string(net.port) + "/udp");
  if (net.tcp) add(std::to_string(net.port) + "/tcp");
  if (tls && net.tcp && net.tls_port != 0) add(std::to_string(net.tls_port) + "/tcp");
  if (tls && net.udp && net.dtls_port != 0) add(std::to_string(net.dtls_port) + "/udp");
  if (config.turn.enabled)
    add(std::to_string(config.turn.ports.low) + '-' + std::to_string(config.turn.ports.high) + "/udp");
  return out;
}

}  // namespace

FirewallFacts look_at_firewall(const config::Config& config) {
  FirewallFacts out;
  out.needed = needed_ports(config);
  const auto legacy = read_kernel("/proc/net/ip_tables_names");
  if (legacy && !legacy->empty()) {
    out.unreadable = "whether iptables lets in what is needed: its rules are not read";
    return out;
  }
  // The question would load the module.
  if (::access("/sys/module/nf_tables", F_OK) != 0) {
    out.unreadable = "whether something filters: nftables is not loaded, and others are not looked at";
    return out;
  }
  const net::Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  int error = socket ? ask_for_chains(socket.get()) : errno;
  std::vector<std::uint8_t> space(kAnswerBytes);
  for (bool last = false; error == 0 && !last;) {
    const ssize_t got = ::recv(socket.get(), space.data(), space.size(), 0);
    if (got <= 0)
      error = got < 0 ? errno : EPROTO;
    else
      last = read_chains(ByteView(space.data(), static_cast<std::size_t>(got)), out.dropping, error);
  }
  if (error != 0) {
    out.unreadable =
        "whether nftables lets in what is needed: " +
        (error == EPERM ? std::string("only root may read that") : std::generic_category().message(error));
    out.dropping.clear();
  }
  std::sort(out.dropping.begin(), out.dropping.end());
  return out;
}

}  // namespace ts::app::doctor
