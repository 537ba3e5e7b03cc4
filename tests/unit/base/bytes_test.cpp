// SPDX-License-Identifier: Apache-2.0
// ByteReader and ByteWriter at and past the end of exactly sized buffers; loads and stores; RandomSource.
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/random.hpp>

namespace ts {
namespace {

/// Bytes 1, 2, 3, … in a heap buffer of exactly that size.
std::unique_ptr<std::uint8_t[]> counting(std::size_t size) {
  auto out = std::make_unique<std::uint8_t[]>(size);
  std::iota(out.get(), out.get() + size, std::uint8_t{1});
  return out;
}

TEST(Bytes, LoadsAndStoresAreNetworkOrderAtAnyAlignment) {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const auto buffer = std::make_unique<std::uint8_t[]>(shift + 8);
    std::uint8_t* p = buffer.get() + shift;
    store_be64(p, 0x0102030405060708ULL);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(p[i], i + 1);
    EXPECT_EQ(load_be64(p), 0x0102030405060708ULL);
    EXPECT_EQ(load_be32(p), 0x01020304U);
    EXPECT_EQ(load_be16(p), 0x0102U);
    store_be64(p, ~0ULL);
    EXPECT_EQ(load_be64(p), ~0ULL);
    EXPECT_EQ(load_be32(p), 0xFFFFFFFFU);
    EXPECT_EQ(load_be16(p), 0xFFFFU);
  }
}

TEST(Bytes, TextAndBytesAreTheSameMemory) {
  const std::string text = "a\0b";
  EXPECT_EQ(as_bytes(text).data(), reinterpret_cast<const std::uint8_t*>(text.data()));
  EXPECT_EQ(as_text(as_bytes(text)), text);
  EXPECT_TRUE(as_bytes({}).empty());
  EXPECT_TRUE(as_text({}).empty());
}

TEST(ByteReader, ReadsFrontToBack) {
  const auto buffer = counting(18);
  ByteReader in({buffer.get(), 18});
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607U);
  EXPECT_EQ(in.u64(), 0x08090A0B0C0D0E0FULL);
  EXPECT_EQ(in.remaining(), 3U);
  in.skip(1);
  const ByteView rest = in.bytes(2);
  EXPECT_EQ(rest.data(), buffer.get() + 16);
  EXPECT_EQ(rest.size(), 2U);
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.bytes(0).empty());
  EXPECT_TRUE(in.ok());
}

TEST(ByteReader, AReadPastTheEndIsZeroAndStaysAnError) {
  for (std::size_t size = 0; size < 8; ++size) {
    const auto buffer = counting(size);
    const ByteView view(buffer.get(), size);
    ByteReader wide(view);
    EXPECT_EQ(wide.u64(), 0U);
    EXPECT_FALSE(wide.ok());
    EXPECT_EQ(wide.u8(), 0U) << "an error is for good";
    EXPECT_FALSE(wide.ok());
    if (size < 4) {
      ByteReader in(view);
      EXPECT_EQ(in.u32(), 0U);
      EXPECT_FALSE(in.ok());
    }
    if (size < 2) {
      ByteReader in(view);
      EXPECT_EQ(in.u16(), 0U);
      EXPECT_FALSE(in.ok());
    }
    ByteReader all(view);
    EXPECT_EQ(all.bytes(size).size(), size);
    EXPECT_TRUE(all.ok());
    EXPECT_EQ(all.u8(), 0U);
    EXPECT_FALSE(all.ok());
    EXPECT_TRUE(all.bytes(0).empty());
    EXPECT_FALSE(all.ok());
  }
}

TEST(ByteReader, HugeCountsDoNotWrap) {
  const auto buffer = counting(4);
  for (const std::size_t count :
       {std::size_t{5}, ~std::size_t{0}, ~std::size_t{0} - 3, ~std::size_t{0} / 2 + 1}) {
    ByteReader in({buffer.get(), 4});
    in.u8();
    EXPECT_TRUE(in.bytes(count).empty());
    EXPECT_FALSE(in.ok());
    ByteReader skipper({buffer.get(), 4});
    skipper.skip(count);
    EXPECT_FALSE(skipper.ok());
  }
}

TEST(ByteWriter, WritesFrontToBack) {
  const auto buffer = std::make_unique<std::uint8_t[]>(21);
  ByteWriter out({buffer.get(), 21});
  out.u8(0x01);
  out.u16(0x0203);
  out.u32(0x04050607);
  out.u64(0x08090A0B0C0D0E0FULL);
  const std::uint8_t more[] = {0x10, 0x11};
  out.bytes(more);
  out.bytes({});
  EXPECT_EQ(out.size(), 17U);
  std::memset(buffer.get() + 17, 0xEE, 4);
  out.zeros(4);
  EXPECT_TRUE(out.ok());
  const auto written = std::as_const(out).written();
  ASSERT_EQ(written.size(), 21U);
  for (std::size_t i = 0; i < 17; ++i) EXPECT_EQ(written[i], i + 1);
  for (std::size_t i = 17; i < 21; ++i) EXPECT_EQ(written[i], 0);
}

TEST(ByteWriter, AWritePastTheEndIsDroppedWhollyAndStaysAnError) {
  for (std::size_t size = 0; size < 8; ++size) {
    const auto buffer = std::make_unique<std::uint8_t[]>(size);
    std::memset(buffer.get(), 0xEE, size);
    ByteWriter out({buffer.get(), size});
    out.u64(0);
    EXPECT_FALSE(out.ok());
    EXPECT_EQ(out.size(), 0U);
    out.zeros(size);
    out.u8(1);
    EXPECT_EQ(out.size(), 0U) << "an error is for good";
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(buffer[i], 0xEE);
  }
  const auto buffer = std::make_unique<std::uint8_t[]>(3);
  ByteWriter out({buffer.get(), 3});
  out.u16(0x0102);
  out.u16(0x0304);
  EXPECT_FALSE(out.ok());
  EXPECT_EQ(out.written().size(), 2U);
  EXPECT_EQ(buffer[2], 0);
  ByteWriter huge({buffer.get(), 3});
  huge.u8(0);
  huge.zeros(~std::size_t{0});
  EXPECT_FALSE(huge.ok());
}

/// Counts up, so that numbers are known.
class CountingRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (std::uint8_t& byte : out) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

TEST(RandomSource, BytesAndNumbers) {
  CountingRandom random;
  const auto bytes = random.bytes<4>();
  EXPECT_EQ(load_be32(bytes.data()), 0x00010203U);
  EXPECT_EQ(random.below(0), 0U);
  EXPECT_EQ(random.below(1), 0U);
  for (const std::uint32_t bound : {2U, 10U, 16'384U, 0xFFFFFFFFU}) {
    for (int i = 0; i < 100; ++i) EXPECT_LT(random.below(bound), bound);
  }
}

}  // namespace
}  // namespace ts
