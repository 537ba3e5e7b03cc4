// SPDX-License-Identifier: Apache-2.0
// Helpers of the stun tests: exactly sized buffers, hand-written attributes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/stun/message.hpp>
#include <turnstone/stun/registry.hpp>

namespace ts::stun::testing {

/// A copy in a heap buffer of exactly that size, so that a sanitizer sees a read past its end.
class Exact {
 public:
  Exact(ByteView bytes) : size_(bytes.size()), data_(new std::uint8_t[bytes.size()]) {  // NOLINT: implicit
    std::copy(bytes.begin(), bytes.end(), data_.get());
  }
  ByteView view() const noexcept { return {data_.get(), size_}; }
  MutableBytes bytes() const noexcept { return {data_.get(), size_}; }
  std::uint8_t& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> data_;
};

inline std::vector<std::uint8_t> vec(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

constexpr TransactionId kId{0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE};

/// A message made by hand, with none of the builder's rules.
class RawMessage {
 public:
  explicit RawMessage(std::uint16_t type = 0x0001) : bytes_(kHeaderBytes) {
    store_be16(bytes_.data(), type);
    store_be32(bytes_.data() + 4, kMagicCookie);
    std::memcpy(bytes_.data() + 8, kId.data(), kId.size());
  }
  RawMessage& add(AttributeType type, ByteView value = {}, std::uint8_t padding = 0) {
    return add(static_cast<std::uint16_t>(type), value, padding);
  }
  RawMessage& add(AttributeType type, std::string_view text) { return add(type, as_bytes(text)); }
  RawMessage& add(std::uint16_t type, ByteView value, std::uint8_t padding = 0) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + kAttributeHeaderBytes + padded(value.size()), padding);
    store_be16(&bytes_[at], type);
    store_be16(&bytes_[at + 2], static_cast<std::uint16_t>(value.size()));
    std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at + 4));
    return *this;
  }
  RawMessage& append(std::initializer_list<std::uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes);
    return *this;
  }
  /// The header's length field as the size of what was added.
  std::size_t size() const noexcept { return bytes_.size(); }
  Exact done() { return with_length(bytes_.size() - kHeaderBytes); }
  Exact with_length(std::size_t length) {
    store_be16(bytes_.data() + 2, static_cast<std::uint16_t>(length));
    return Exact(bytes_);
  }
  /// The bytes so far with the length field as if `more` followed: what integrity and fingerprint cover.
  std::vector<std::uint8_t> covered(std::size_t more) const {
    std::vector<std::uint8_t> out = bytes_;
    store_be16(out.data() + 2, static_cast<std::uint16_t>(bytes_.size() - kHeaderBytes + more));
    return out;
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace ts::stun::testing
