// SPDX-License-Identifier: Apache-2.0
// The registry's numbers and names against IANA's "STUN Parameters": attributes, methods, error codes.
// Rows as IANA lists them, without reserved and unassigned ones; CHANGE-REQUEST is RFC 5780's use of 0x0003,
// and 0x0004 and 0x0005 are "Reserved; was SOURCE-ADDRESS" and "CHANGED-ADDRESS", which classic clients are
// told.
#include <string_view>

#include <gtest/gtest.h>

#include <turnstone/stun/registry.hpp>

namespace ts::stun {
namespace {

struct Row {
  unsigned value;
  std::string_view name;
};

// "STUN Attributes": comprehension-required, then comprehension-optional.
constexpr Row kAttributes[] = {
    {0x0001, "MAPPED-ADDRESS"},
    {0x0003, "CHANGE-REQUEST"},
    {0x0004, "SOURCE-ADDRESS"},
    {0x0005, "CHANGED-ADDRESS"},
    {0x0006, "USERNAME"},
    {0x0008, "MESSAGE-INTEGRITY"},
    {0x0009, "ERROR-CODE"},
    {0x000A, "UNKNOWN-ATTRIBUTES"},
    {0x000C, "CHANNEL-NUMBER"},
    {0x000D, "LIFETIME"},
    {0x0012, "XOR-PEER-ADDRESS"},
    {0x0013, "DATA"},
    {0x0014, "REALM"},
    {0x0015, "NONCE"},
    {0x0016, "XOR-RELAYED-ADDRESS"},
    {0x0017, "REQUESTED-ADDRESS-FAMILY"},
    {0x0018, "EVEN-PORT"},
    {0x0019, "REQUESTED-TRANSPORT"},
    {0x001A, "DONT-FRAGMENT"},
    {0x001B, "ACCESS-TOKEN"},
    {0x001C, "MESSAGE-INTEGRITY-SHA256"},
    {0x001D, "PASSWORD-ALGORITHM"},
    {0x001E, "USERHASH"},
    {0x0020, "XOR-MAPPED-ADDRESS"},
    {0x0022, "RESERVATION-TOKEN"},
    {0x0024, "PRIORITY"},
    {0x0025, "USE-CANDIDATE"},
    {0x0026, "PADDING"},
    {0x0027, "RESPONSE-PORT"},
    {0x002A, "CONNECTION-ID"},
    {0x8000, "ADDITIONAL-ADDRESS-FAMILY"},
    {0x8001, "ADDRESS-ERROR-CODE"},
    {0x8002, "PASSWORD-ALGORITHMS"},
    {0x8003, "ALTERNATE-DOMAIN"},
    {0x8004, "ICMP"},
    {0x8022, "SOFTWARE"},
    {0x8023, "ALTERNATE-SERVER"},
    {0x8025, "TRANSACTION_TRANSMIT_COUNTER"},
    {0x8027, "CACHE-TIMEOUT"},
    {0x8028, "FINGERPRINT"},
    {0x8029, "ICE-CONTROLLED"},
    {0x802A, "ICE-CONTROLLING"},
    {0x802B, "RESPONSE-ORIGIN"},
    {0x802C, "OTHER-ADDRESS"},
    {0x802D, "ECN-CHECK STUN"},
    {0x802E, "THIRD-PARTY-AUTHORIZATION"},
    {0x8030, "MOBILITY-TICKET"},
    {0xC000, "CISCO-STUN-FLOWDATA"},
    {0xC001, "ENF-FLOW-DESCRIPTION"},
    {0xC002, "ENF-NETWORK-STATUS"},
    {0xC057, "GOOG-NETWORK-INFO"},
    {0xC058, "GOOG-LAST-ICE-CHECK-RECEIVED"},
    {0xC059, "GOOG-MISC-INFO"},
    {0xC05A, "GOOG-OBSOLETE-1"},
    {0xC05B, "GOOG-CONNECTION-ID"},
    {0xC05C, "GOOG-DELTA"},
    {0xC05D, "GOOG-DELTA-ACK"},
    {0xC060, "GOOG-MESSAGE-INTEGRITY-32"},
    {0xC070, "DTLS-IN-STUN"},
    {0xC071, "DTLS-IN-STUN-ACKNOWLEDGEMENT"},
};

// "STUN Methods".
constexpr Row kMethods[] = {
    {0x001, "Binding"},        {0x003, "Allocate"},          {0x004, "Refresh"},     {0x006, "Send"},
    {0x007, "Data"},           {0x008, "CreatePermission"},  {0x009, "ChannelBind"}, {0x00A, "Connect"},
    {0x00B, "ConnectionBind"}, {0x00C, "ConnectionAttempt"},
};

// "STUN Error Codes".
constexpr Row kErrorCodes[] = {
    {300, "Try Alternate"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {405, "Mobility Forbidden"},
    {420, "Unknown Attribute"},
    {437, "Allocation Mismatch"},
    {438, "Stale Nonce"},
    {440, "Address Family not Supported"},
    {441, "Wrong Credentials"},
    {442, "Unsupported Transport Protocol"},
    {443, "Peer Address Family Mismatch"},
    {446, "Connection Already Exists"},
    {447, "Connection Timeout or Failure"},
    {486, "Allocation Quota Reached"},
    {487, "Role Conflict"},
    {500, "Server Error"},
    {508, "Insufficient Capacity"},
};

// Listed by IANA, not used here.
constexpr bool is_not_ours(unsigned attribute) {
  return attribute == 0x8025 || attribute == 0x8027 || attribute == 0x802D || attribute >= 0xC000;
}

template <std::size_t N>
std::string_view listed(const Row (&rows)[N], unsigned value) {
  for (const Row& row : rows) {
    if (row.value == value) return row.name;
  }
  return {};
}

TEST(Registry, EveryAttributeTypeIsAsIanaNamesIt) {
  int ours = 0;
  for (unsigned value = 0; value <= 0xFFFF; ++value) {
    const std::string_view mine = name(static_cast<AttributeType>(value));
    if (value == 0x802F) {  // of a draft, and in no table of IANA's that we have
      ASSERT_EQ(mine, "ORIGIN");
      continue;
    }
    ASSERT_EQ(mine, is_not_ours(value) ? std::string_view() : listed(kAttributes, value))
        << std::hex << value;
    ours += mine.empty() ? 0 : 1;
    ASSERT_EQ(is_comprehension_required(static_cast<std::uint16_t>(value)), value <= 0x7FFF);
  }
  EXPECT_EQ(ours, 44);
}

TEST(Registry, EveryMethodIsAsIanaNamesIt) {
  for (unsigned value = 0; value <= 0xFFF; ++value) {
    ASSERT_EQ(name(static_cast<Method>(value)), listed(kMethods, value)) << std::hex << value;
  }
}

TEST(Registry, EveryErrorCodeIsAsIanaNamesIt) {
  for (unsigned value = 0; value < 1'000; ++value) {
    std::string_view want = listed(kErrorCodes, value);
    // IANA keeps RFC 5389's phrase; RFC 8489 §14.8 says Unauthenticated.
    if (value == 401) want = "Unauthenticated";
    ASSERT_EQ(reason_phrase(static_cast<ErrorCode>(value)), want) << value;
  }
}

TEST(Registry, EnumeratorsHaveTheirNames) {
  EXPECT_EQ(name(AttributeType::XorMappedAddress), "XOR-MAPPED-ADDRESS");
  EXPECT_EQ(name(AttributeType::MessageIntegritySha256), "MESSAGE-INTEGRITY-SHA256");
  EXPECT_EQ(name(Method::CreatePermission), "CreatePermission");
  EXPECT_EQ(reason_phrase(ErrorCode::AllocationMismatch), "Allocation Mismatch");
}

}  // namespace
}  // namespace ts::stun
