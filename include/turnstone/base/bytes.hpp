// SPDX-License-Identifier: Apache-2.0
// Bounds-checked reading and writing of network-order bytes. Every decoder of untrusted input goes through
// these.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ts {

/// Bytes that somebody else owns.
using ByteView = std::span<const std::uint8_t>;
/// Writable bytes that somebody else owns.
using MutableBytes = std::span<std::uint8_t>;

/// The bytes of a text, without a copy.
inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The text of bytes, without a copy and without a check of its encoding.
inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Network-order loads and stores at any alignment; the caller has checked the extent.
inline std::uint16_t load_be16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint16_t>((p[0] << 8) | p[1]);
}
inline std::uint32_t load_be32(const std::uint8_t* p) noexcept {
  return (std::uint32_t{p[0]} << 24) | (std::uint32_t{p[1]} << 16) | (std::uint32_t{p[2]} << 8) | p[3];
}
inline std::uint64_t load_be64(const std::uint8_t* p) noexcept {
  return (std::uint64_t{load_be32(p)} << 32) | load_be32(p + 4);
}
inline void store_be16(std::uint8_t* p, std::uint16_t value) noexcept {
  p[0] = static_cast<std::uint8_t>(value >> 8);
  p[1] = static_cast<std::uint8_t>(value);
}
inline void store_be32(std::uint8_t* p, std::uint32_t value) noexcept {
  store_be16(p, static_cast<std::uint16_t>(value >> 16));
  store_be16(p + 2, static_cast<std::uint16_t>(value));
}
inline void store_be64(std::uint8_t* p, std::uint64_t value) noexcept {
  store_be32(p, static_cast<std::uint32_t>(value >> 32));
  store_be32(p + 4, static_cast<std::uint32_t>(value));
}

/// Reads front to back. A read past the end yields zero (or an empty view) and makes ok() false for good.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) noexcept : rest_(bytes) {}

  std::uint8_t u8() noexcept { return need(1) ? take(1)[0] : std::uint8_t{0}; }
  std::uint16_t u16() noexcept { return need(2) ? load_be16(take(2).data()) : std::uint16_t{0}; }
  std::uint32_t u32() noexcept { return need(4) ? load_be32(take(4).data()) : 0U; }
  std::uint64_t u64() noexcept { return need(8) ? load_be64(take(8).data()) : 0U; }
  /// The next `count` bytes, valid as long as the bytes given to the constructor.
  ByteView bytes(std::size_t count) noexcept { return need(count) ? take(count) : ByteView{}; }
  void skip(std::size_t count) noexcept { bytes(count); }

  std::size_t remaining() const noexcept { return rest_.size(); }
  bool ok() const noexcept { return ok_; }

 private:
  bool need(std::size_t count) noexcept {
    ok_ = ok_ && rest_.size() >= count;
    return ok_;
  }
  ByteView take(std::size_t count) noexcept {
    const ByteView taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  ByteView rest_;
  bool ok_ = true;
};

/// Writes front to back into a fixed extent. A write past the end is dropped and makes ok() false for good.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes out) noexcept : out_(out) {}

  void u8(std::uint8_t value) noexcept {
    if (std::uint8_t* p = reserve(1)) *p = value;
  }
  void u16(std::uint16_t value) noexcept {
    if (std::uint8_t* p = reserve(2)) store_be16(p, value);
  }
  void u32(std::uint32_t value) noexcept {
    if (std::uint8_t* p = reserve(4)) store_be32(p, value);
  }
  void u64(std::uint64_t value) noexcept {
    if (std::uint8_t* p = reserve(8)) store_be64(p, value);
  }
  void bytes(ByteView value) noexcept {
    std::uint8_t* p = reserve(value.size());
    if (p != nullptr && !value.empty()) std::memcpy(p, value.data(), value.size());
  }
  void zeros(std::size_t count) noexcept {
    std::uint8_t* p = reserve(count);
    if (p != nullptr && count != 0) std::memset(p, 0, count);
  }

  std::size_t size() const noexcept { return size_; }
  bool ok() const noexcept { return ok_; }
  ByteView written() const noexcept { return out_.first(size_); }
  MutableBytes written() noexcept { return out_.first(size_); }

 private:
  std::uint8_t* reserve(std::size_t count) noexcept {
    ok_ = ok_ && out_.size() - size_ >= count;
    if (!ok_) return nullptr;
    std::uint8_t* p = out_.data() + size_;
    size_ += count;
    return p;
  }

  MutableBytes out_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace ts
