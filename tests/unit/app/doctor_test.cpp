// SPDX-License-Identifier: Apache-2.0
// What `turnstone doctor` makes of facts, what it reads off /proc, and how it prints that.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../../../src/app/doctor/judges.hpp"
#include "../../../src/app/doctor/proc_text.hpp"
#include "../../../src/app/doctor/render.hpp"

namespace ts::app::doctor {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value_or(IpAddress()); }

turn::RelayAddress relay(std::string_view advertised, std::string_view local) {
  return {ip(advertised), ip(local)};
}

/// "fault ok": the verdicts in order.
std::string verdicts(const Findings& findings) {
  std::string out;
  for (const Finding& f : findings) {
    constexpr const char* kWords[] = {"ok", "unknown", "warning", "fault"};
    out += (out.empty() ? "" : " ") + std::string(kWords[static_cast<std::size_t>(f.verdict)]);
    EXPECT_FALSE(f.found.empty());
    if (f.verdict == Verdict::Fault || f.verdict == Verdict::Warning) {
      EXPECT_FALSE(f.expected.empty()) << f.found;
      EXPECT_FALSE(f.remedy.empty()) << f.found;
    }
  }
  return out;
}

AddressFacts behind_nat(std::string_view advertised) {
  AddressFacts facts;
  facts.host = {ip("127.0.0.1"), ip("10.0.1.17")};
  facts.relays = {relay(advertised, "10.0.1.17")};
  return facts;
}

void tell(AddressFacts& facts, std::string_view advertised) {
  facts.asked = true;
  facts.told.found = {{relay(advertised, "10.0.1.17"), "STUN server s"}};
}

TEST(Doctor, APrivateAddressIsAFaultThatSaysWhatTheInternetSees) {
  AddressFacts facts = behind_nat("10.0.1.17");
  EXPECT_EQ(verdicts(judge_address(facts)), "fault");
  tell(facts, "203.0.113.7");
  const Findings findings = judge_address(facts);
  ASSERT_EQ(verdicts(findings), "fault");
  EXPECT_NE(findings[0].found.find("relay candidates nobody can reach"), std::string::npos);
  EXPECT_NE(findings[0].remedy.find("relay.addresses: [\"203.0.113.7/10.0.1.17\"]"), std::string::npos);
  facts.allowed_peers = {*IpNetwork::parse("10.0.0.0/8")};
  EXPECT_EQ(verdicts(judge_address(facts)), "warning");
}

TEST(Doctor, APublicAddressIsComparedWithWhatOthersSee) {
  AddressFacts facts = behind_nat("203.0.113.7");
  EXPECT_EQ(verdicts(judge_address(facts)), "unknown");
  tell(facts, "203.0.113.7");
  EXPECT_EQ(verdicts(judge_address(facts)), "ok");
  tell(facts, "203.0.113.8");
  EXPECT_EQ(verdicts(judge_address(facts)), "warning");
  facts.relays = {relay("203.0.113.7", "10.9.9.9")};
  EXPECT_EQ(verdicts(judge_address(facts)), "fault");
  facts.relays.clear();
  EXPECT_EQ(verdicts(judge_address(facts)), "fault");
  facts.relay_enabled = false;
  EXPECT_EQ(verdicts(judge_address(facts)), "ok");
}

TEST(Doctor, FamiliesAreComparedWithTheConfiguration) {
  FamilyFacts facts;
  EXPECT_EQ(verdicts(judge_families(facts)), "ok");
  facts.bind = {ip("::")};
  EXPECT_EQ(verdicts(judge_families(facts)), "fault");
  facts.kernel_v6 = true;
  EXPECT_EQ(verdicts(judge_families(facts)), "ok");
  facts.host = {ip("2a01:4f8::7")};
  facts.relays = {relay("203.0.113.7", "203.0.113.7")};
  EXPECT_EQ(verdicts(judge_families(facts)), "warning");
}

TEST(Doctor, AStrangerAtAPortIsAFaultAndOneWhoIsNotKnownIsNot) {
  struct Case {
    std::optional<Holder> holder;
    bool answers;
    std::uint16_t port;
    const char* expected;
  };
  for (const Case& c :
       {Case{Holder::Nobody, false, 3478, "ok"}, Case{Holder::Turnstone, false, 3478, "ok"},
        Case{Holder::Stranger, true, 3478, "fault"}, Case{Holder::NotKnown, false, 3478, "unknown"},
        Case{Holder::NotKnown, true, 3478, "ok"}, Case{std::nullopt, false, 3478, "unknown"},
        Case{Holder::Nobody, false, 443, "warning"}, Case{Holder::Turnstone, false, 443, "ok"}}) {
    PortsFacts facts;
    facts.server_answers = c.answers;
    facts.first_unprivileged = std::uint16_t{1024};
    facts.ports = {{"listen.port", true, c.port, c.holder, "nginx (process 8)"}};
    EXPECT_EQ(verdicts(judge_ports(facts)), c.expected) << c.port;
  }
}

TEST(Doctor, AServerOfThisConfigurationHasAllItsPorts) {
  struct Port {
    std::optional<Holder> holder;
    std::vector<int> servers;
  };
  struct Case {
    std::vector<Port> ports;
    int server;
    const char* expected;
  };
  const auto held = [](std::vector<int> by) { return Port{Holder::Turnstone, std::move(by)}; };
  const Port free{Holder::Nobody, {}};
  const Port hidden{Holder::NotKnown, {}};
  for (const Case& c : {Case{{held({7, 7}), held({7}), held({7})}, 7, "ok"},
                        Case{{held({7}), held({7}), free}, 0, "warning warning ok"},
                        Case{{held({7}), held({8}), held({7})}, 0, "warning warning warning"},
                        Case{{held({7, 8}), held({8}), held({8})}, 8, "warning ok"},
                        Case{{held({7}), hidden, held({7})}, 7, "ok"},
                        Case{{held({7}), {Holder::Stranger, {}}, held({7})}, 0, "warning fault warning"},
                        Case{{hidden, hidden, hidden}, 0, "ok"}, Case{{}, 0, ""}}) {
    PortsFacts facts;
    facts.server_answers = true;
    std::uint16_t number = 3478;
    for (const Port& port : c.ports)
      facts.ports.push_back({"listen.port", true, number++, port.holder, "", port.servers});
    EXPECT_EQ(running_server(facts), c.server) << c.expected;
    EXPECT_EQ(verdicts(judge_ports(facts)), c.expected);
  }
}

TEST(Doctor, RelayPortsAreEnoughAndNobodyElses) {
  RelayRangeFacts facts;
  EXPECT_EQ(verdicts(judge_relay_range(facts)), "unknown");
  facts.ephemeral = turn::PortRange{32768, 60999};
  const Findings shared = judge_relay_range(facts);
  ASSERT_EQ(verdicts(shared), "warning");
  EXPECT_EQ(shared[0].remedy, "sysctl -w net.ipv4.ip_local_reserved_ports=49152-60999");
  facts.reserved = {{49000, 61000}};
  EXPECT_EQ(verdicts(judge_relay_range(facts)), "ok");
  facts.relay = {50000, 50049};
  EXPECT_EQ(verdicts(judge_relay_range(facts)), "warning");
  facts.relay = {3000, 4000};
  facts.listened = {3478};
  EXPECT_EQ(verdicts(judge_relay_range(facts)), "warning");
  facts.listened = {};
  facts.max_allocations = 5000;
  EXPECT_EQ(verdicts(judge_relay_range(facts)), "warning");
}

TEST(Doctor, AFirewallIsNeverJudgedWithoutBeingRead) {
  EXPECT_EQ(verdicts(judge_firewall({"only root may read that", {}, "3478/udp"})), "unknown");
  EXPECT_EQ(verdicts(judge_firewall({"", {"chain input of table filter"}, "3478/udp"})), "unknown");
  EXPECT_EQ(verdicts(judge_firewall({"", {}, "3478/udp"})), "ok");
}

TEST(Doctor, HairpinNamesAndRedis) {
  const turn::RelayAddress nat = relay("203.0.113.7", "10.0.1.17");
  EXPECT_EQ(verdicts(judge_hairpin({})), "ok");
  EXPECT_EQ(verdicts(judge_hairpin({{nat, true, std::nullopt},
                                    {nat, false, true},
                                    {nat, false, false},
                                    {nat, false, std::nullopt, "no free port"}})),
            "ok ok warning unknown");
  EXPECT_EQ(verdicts(judge_names({})), "ok");
  EXPECT_EQ(
      verdicts(judge_names(
          {{"k", "h", {ip("192.0.2.1")}}, {"k", "h", {}, "no such name"}, {"k", "h", {}, "late", true}})),
      "ok fault unknown");
  using State = RedisFacts::State;
  for (const auto& [state, expected] :
       std::initializer_list<std::pair<State, const char*>>{{State::Off, "ok"},
                                                            {State::Answers, "ok"},
                                                            {State::NotReached, "fault"},
                                                            {State::Refused, "fault"},
                                                            {State::NotKnown, "unknown"}})
    EXPECT_EQ(verdicts(judge_redis({state, "redis://r:6379", "WRONGPASS"})), expected);
}

TEST(Doctor, AFullTableOfConnectionsIsAFault) {
  EXPECT_EQ(verdicts(judge_conntrack({std::nullopt, std::nullopt, 10})), "ok");
  EXPECT_EQ(verdicts(judge_conntrack({std::nullopt, 1000, 10})), "unknown");
  EXPECT_EQ(verdicts(judge_conntrack({10, 1000, 10})), "ok");
  EXPECT_EQ(verdicts(judge_conntrack({800, 1000, 10})), "warning");
  EXPECT_EQ(verdicts(judge_conntrack({990, 1000, 10})), "fault");
  EXPECT_EQ(verdicts(judge_conntrack({10, 1000, 16'384})), "warning");
}

TEST(Doctor, CertificatesAreJudgedByTimeNameAndKey) {
  CertificateFacts good;
  good.configured = true;
  good.left = std::chrono::hours(24 * 60);
  good.names = {"turn.example.org"};
  good.asked = {{"turn.example.org", true}};
  good.key_mode = 0600;
  EXPECT_EQ(verdicts(judge_certificate({})), "ok");
  EXPECT_EQ(verdicts(judge_certificate(good)), "ok");
  const auto judged = [&](auto&& change) {
    CertificateFacts facts = good;
    change(facts);
    return verdicts(judge_certificate(facts));
  };
  EXPECT_EQ(judged([](auto& f) { f.left = std::chrono::hours(-1); }), "fault");
  EXPECT_EQ(judged([](auto& f) { f.left = std::chrono::hours(24 * 5); }), "warning");
  EXPECT_EQ(judged([](auto& f) { f.asked[0].second = false; }), "fault");
  EXPECT_EQ(judged([](auto& f) { f.key_matches = false; }), "fault");
  EXPECT_EQ(judged([](auto& f) { f.key_mode = 0644; }), "warning");
  EXPECT_EQ(judged([](auto& f) { f.user_without_key = "turnstone"; }), "warning");
  EXPECT_EQ(judged([](auto& f) { f.untrusted = "self-signed certificate"; }), "warning");
  EXPECT_EQ(judged([](auto& f) { f.problem = "no PEM"; }), "fault");
}

TEST(Doctor, BuffersLimitsEnginesAndClock) {
  const Findings small =
      judge_buffers({{"net.core.rmem_max", 212'992, "listen.udp_listener_buffer", 4'194'304}});
  ASSERT_EQ(verdicts(small), "warning");
  EXPECT_EQ(small[0].remedy, "sysctl -w net.core.rmem_max=4194304");
  EXPECT_EQ(verdicts(judge_buffers({{"net.core.rmem_max", std::nullopt, "k", 1}})), "unknown");
  EXPECT_EQ(verdicts(judge_buffers({{"net.core.rmem_max", 4096, "k", 4096}})), "ok");

  EXPECT_EQ(verdicts(judge_limits({std::nullopt, "", 50'000, 0})), "unknown");
  EXPECT_EQ(verdicts(judge_limits({100, "", 50'000, 0})), "fault");
  EXPECT_EQ(verdicts(judge_limits({1024, "", 50'000, 0})), "warning");
  EXPECT_EQ(verdicts(judge_limits({1'048'576, "", 50'000, 0})), "ok");

  EngineFacts engine;
  engine.why = "Operation not permitted";
  engine.disabled = 2U;
  EXPECT_NE(judge_engines(engine)[0].remedy.find("kernel.io_uring_disabled=0"), std::string::npos);
  EXPECT_EQ(verdicts(judge_engines(engine)), "warning");
  engine.wanted = net::UdpEngineKind::Epoll;
  EXPECT_EQ(verdicts(judge_engines(engine)), "ok");
  engine.offload = offload::Mode::Tc;
  engine.missing_capabilities = {"CAP_BPF"};
  EXPECT_EQ(verdicts(judge_engines(engine)), "ok warning");

  constexpr std::int64_t kNow = 1'795'000'000;
  EXPECT_EQ(verdicts(judge_clock({true, std::chrono::microseconds(900), kNow})), "ok");
  EXPECT_EQ(verdicts(judge_clock({false, std::chrono::microseconds(0), kNow})), "warning");
  EXPECT_EQ(verdicts(judge_clock({std::nullopt, std::chrono::microseconds(0), kNow})), "unknown");
  EXPECT_EQ(verdicts(judge_clock({true, std::chrono::microseconds(0), 1000})), "fault");
}

TEST(Doctor, ARunningServerIsTheSameVersionAndReady) {
  ServerFacts facts;
  EXPECT_EQ(verdicts(judge_server(facts)), "unknown");
  facts.url = "http://[::1]:8080";
  facts.why = "refused";
  EXPECT_EQ(verdicts(judge_server(facts)), "unknown");
  facts.answers = facts.ready = true;
  facts.version = facts.own_version = "1";
  EXPECT_EQ(verdicts(judge_server(facts)), "ok");
  facts.version = "0";
  EXPECT_EQ(verdicts(judge_server(facts)), "warning");
  facts.draining = true;
  EXPECT_EQ(verdicts(judge_server(facts)), "warning warning");
}

TEST(Doctor, LinesOfTheKernelsTables) {
  const auto v4 = socket_line(
      "   1: 0100007F:0D96 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 4711 1 x");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->local.to_string(), "127.0.0.1:3478");
  EXPECT_EQ(v4->state, 0x0AU);
  EXPECT_EQ(v4->inode, 4711U);
  const auto v6 = socket_line(
      "  1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 12 "
      "2");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->local.to_string(), "[::1]:8080");
  for (const char* text : {"", "  sl  local_address rem_address   st", "1: 0100007F 0 0A 0 0 0 0 0 1",
                           "1: 0100007F:FFFFF 0 0A 0 0 0 0 0 1", "1: 01:0D96 0 0A 0 0 0 0 0 1"})
    EXPECT_FALSE(socket_line(text)) << text;
}

TEST(Doctor, FilesOfProc) {
  EXPECT_EQ(port_range("32768\t60999\n"), (turn::PortRange{32768, 60999}));
  EXPECT_FALSE(port_range("32768"));
  EXPECT_EQ(port_ranges("50000-50100,60000\n"),
            (std::vector<turn::PortRange>{{50000, 50100}, {60000, 60000}}));
  EXPECT_TRUE(port_ranges("\n").empty());
  EXPECT_TRUE(port_ranges(",,x-1,99999").empty());
  EXPECT_EQ(effective_capabilities("Name:\tx\nCapEff:\t0000000000000400\nCapBnd:\t0\n"), 0x400U);
  EXPECT_FALSE(effective_capabilities("Name:\tx\n"));
  EXPECT_EQ(descriptor_limit("Limit Soft Hard Units\nMax open files            1024   524288   files\n"),
            524'288U);
  EXPECT_FALSE(descriptor_limit(""));
  EXPECT_EQ(version_in("# HELP\nturnstone_build_info{commit=\"c\",version=\"1.2\"} 1\n"), "1.2");
  EXPECT_EQ(version_in("turnstone_build_info{version=\"1"), "");
}

TEST(Doctor, TextIsAlignedAndJsonIsValidWhateverFilesHold) {
  const Findings findings = {ok("clock", "synchronised"),
                             {"ports", Verdict::Fault, "bad \xff\x1b[2J \"name\"", "a free port", "choose"}};
  const auto json = nlohmann::json::parse(to_json(findings));
  EXPECT_FALSE(json["ok"].get<bool>());
  EXPECT_EQ(json["findings"][1]["verdict"], "fault");
  EXPECT_EQ(json["findings"][0].contains("remedy"), false);
  const std::string text = to_text(findings, false);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("1 fault, 0 warnings, 0 not known, 1 ok"), std::string::npos);
  EXPECT_NE(to_text(findings, true).find("\x1b[31m"), std::string::npos);
}

}  // namespace
}  // namespace ts::app::doctor
