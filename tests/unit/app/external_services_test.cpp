// SPDX-License-Identifier: Apache-2.0
// What clouds and Kubernetes may say about a host's address, right and wrong.
#include <gtest/gtest.h>

#include "../../../src/app/external/services.hpp"

namespace ts::app::external {
namespace {

std::string text_of(const std::optional<IpAddress>& address) {
  return address ? address->to_string() : "none";
}

TEST(ExternalServices, AnAddressIsReadFromTextAndFromABalancersJson) {
  EXPECT_EQ(text_of(address_in("203.0.113.7")), "203.0.113.7");
  EXPECT_EQ(text_of(address_in(" 203.0.113.7\r\n")), "203.0.113.7");
  EXPECT_EQ(text_of(address_in("2001:db8::7\n")), "2001:db8::7");
  EXPECT_EQ(text_of(address_in(R"({"loadbalancer":{"publicIpAddresses":[)"
                               R"({"frontendIpAddress":"","privateIpAddress":"10.1.0.4"},)"
                               R"({"frontendIpAddress":"203.0.113.9","privateIpAddress":"10.1.0.4"}]}})")),
            "203.0.113.9");
}

TEST(ExternalServices, WhatNobodyCanBeReachedByIsNoAddress) {
  for (const char* text : {"",
                           "-",
                           "0.0.0.0",
                           "127.0.0.1",
                           "169.254.1.1",
                           "224.0.0.1",
                           "10.0.0.5",
                           "100.64.0.9",
                           "192.168.1.1",
                           "fd00::7",
                           "::",
                           "::1",
                           "fe80::1",
                           "ff02::1",
                           "203.0.113.7 203.0.113.8",
                           "203.0.113",
                           "<html>203.0.113.7</html>",
                           "{",
                           "[]",
                           "null",
                           R"({"loadbalancer":[]})",
                           R"({"loadbalancer":{"publicIpAddresses":{}}})",
                           R"({"loadbalancer":{"publicIpAddresses":[7,null,{"frontendIpAddress":7}]}})"})
    EXPECT_EQ(text_of(address_in(text)), "none") << text;
}

TEST(ExternalServices, ANodesExternalAddressesAreTakenOneAFamily) {
  const auto found = addresses_of_node(
      R"({"kind":"Node","status":{"addresses":[{"type":"InternalIP","address":"10.0.0.5"},)"
      R"({"type":"Hostname","address":"node-1"},{"type":"ExternalIP","address":"203.0.113.7"},)"
      R"({"type":"ExternalIP","address":"203.0.113.8"},{"type":"ExternalIP","address":"2001:db8::7"}]}})");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].to_string(), "203.0.113.7");
  EXPECT_EQ(found[1].to_string(), "2001:db8::7");
}

TEST(ExternalServices, WhatIsNoNodeHasNoAddress) {
  for (const char* text :
       {"", "[]", "7", R"({"status":7})", R"({"status":{"addresses":7}})",
        R"({"status":{"addresses":[7,[],{"type":7},{"type":"ExternalIP"},)"
        R"({"type":"ExternalIP","address":[]},{"type":"ExternalIP","address":"node.example.org"}]}})"})
    EXPECT_TRUE(addresses_of_node(text).empty()) << text;
}

TEST(ExternalServices, EachServiceIsAskedInItsOwnWay) {
  ASSERT_FALSE(metadata_services().empty());
  for (const MetadataService& service : metadata_services()) {
    EXPECT_TRUE(service.target.starts_with('/')) << service.name;
    EXPECT_EQ(service.field.empty(), service.value.empty()) << service.name;
    EXPECT_EQ(service.token_target.empty(), service.token_field.empty()) << service.name;
    EXPECT_EQ(service.token_target.empty(), service.token_life_field.empty()) << service.name;
  }
}

}  // namespace
}  // namespace ts::app::external
