// SPDX-License-Identifier: Apache-2.0
// Digests and HMACs against the standards' vectors (RFC 1321 §A.5, FIPS 180-2, RFC 2202 §3, RFC 4231 §4),
// constant-time comparison, base64 (RFC 4648 §10), hexadecimal, mix64.
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/base/hash.hpp>

namespace ts {
namespace {

static_assert(sizeof(HmacSha1Key) == 40 && std::is_trivially_copyable_v<HmacSha1Key>);
static_assert(sizeof(HmacSha256Key) == 64 && std::is_trivially_copyable_v<HmacSha256Key>);

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Hash, Md5) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "0cc175b9c0f1b6a831c399e269772661"},
      {"abc", "900150983cd24fb0d6963f7d28e17f72"},
      {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
      {repeat("1234567890", 8), "57edf4a22be3c955ac49da2e2107b67a"},
  };
  for (const auto& [text, digest] : rows) {
    EXPECT_EQ(hex(md5({as_bytes(text)})), digest) << text;
    const std::size_t half = text.size() / 2;
    const std::string_view view = text;
    EXPECT_EQ(hex(md5({as_bytes(view.substr(0, half)), {}, as_bytes(view.substr(half))})), digest);
  }
  // RFC 8489 §9.2.2: key = MD5(username ":" realm ":" password).
  EXPECT_EQ(hex(md5({as_bytes("user"), as_bytes(":"), as_bytes("realm"), as_bytes(":"), as_bytes("pass")})),
            "8493fbc53ba582fb4c044c456bdc40eb");
}

TEST(Hash, Sha256) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {repeat("a", 1'000'000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [text, digest] : rows) EXPECT_EQ(hex(sha256({as_bytes(text)})), digest);
}

struct MacVector {
  std::string key;
  std::string data;
  const char* mac;
};

template <class Key>
void check(const std::vector<MacVector>& rows) {
  for (const MacVector& row : rows) {
    SCOPED_TRACE(row.mac);
    const Key key(as_bytes(row.key));
    const std::string mac = row.mac;
    EXPECT_EQ(hex(key.sign({as_bytes(row.data)})).substr(0, mac.size()), mac);
    const Key copy = key;
    for (std::size_t split = 0; split <= row.data.size(); ++split) {
      const std::string_view data = row.data;
      const auto parts = copy.sign({as_bytes(data.substr(0, split)), as_bytes(data.substr(split))});
      ASSERT_EQ(hex(parts).substr(0, mac.size()), mac) << split;
    }
  }
}

TEST(Hash, HmacSha1OfRfc2202) {
  std::string counting_key;
  for (char c = 1; c <= 25; ++c) counting_key += c;
  check<HmacSha1Key>({
      {repeat("\x0b", 20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
      {"Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      {repeat("\xaa", 20), repeat("\xdd", 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
      {counting_key, repeat("\xcd", 50), "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
      {repeat("\x0c", 20), "Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
      {repeat("\xaa", 80), "Test Using Larger Than Block-Size Key - Hash Key First",
       "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
      {repeat("\xaa", 80), "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
       "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
  });
}

TEST(Hash, HmacSha256OfRfc4231) {
  std::string counting_key;
  for (char c = 1; c <= 25; ++c) counting_key += c;
  check<HmacSha256Key>({
      {repeat("\x0b", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeat("\xaa", 20), repeat("\xdd", 50),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting_key, repeat("\xcd", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeat("\x0c", 20), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"},
      {repeat("\xaa", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeat("\xaa", 131),
       "This is a test using a larger than block-size key and a larger than block-size data. The key needs "
       "to "
       "be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  });
}

struct KeySize {
  std::size_t size;
  const char* sha1;
  const char* sha256;
};

// Keys of (7 i + 1) mod 256 around the block size, over the bytes 0 … 199; computed with another library.
constexpr KeySize kKeySizes[] = {
    {0, "ae5d4e5b9d9cdd69501f52983ed3bc3b627e3cad",
     "0b4401b24341c818f96a9814c6af33f90ebb69849f78a569cf3fb4dcc3bda21e"},
    {1, "d5abf97af49c3f6271da5934d22463e4536a2424",
     "d5f081f2e0bbf155e340371af5be88340fa8f2cab57d1ee5f3b91e9111ffe43e"},
    {16, "d922cc7be911114846fe58de5faa7005b3f2ffa2",
     "09a55c49ab05a9d8aa514b4e7daff40d5bfe79889523eda2fa77b1a5136173b9"},
    {20, "148bde68ff86ab1bd4a97439fa836afebf4b3b7b",
     "fd48b04f0c70c270eb882e1cb5e3626a523b3faae9f128960c380cdcd7d786c4"},
    {32, "2397a4e545fcfd938194708e7182d0b892581fd6",
     "25e0d3f1203ac515d82b7d91f71a1499f3c751617fd43c8971154017fad540b1"},
    {63, "0764a91bf3fb15af9442c63ab3fccd5728ca1208",
     "56b6548f3909171d2e93e42101c788997683a01e6a028f3785d7bf6620af63d7"},
    {64, "f015f91d7595214666856f2cbea2ab37d9005b61",
     "27e62b4b5f989471ed582e212c6108c9d6d3bc3064c8d30da17ed6e0e2d2c5d5"},
    {65, "666eb9672ea48a092b3a48fa00a37902e8387f39",
     "f1327536e89e48f4bce352c10bf193d52be243808f1c6b854869c71aed44fdcd"},
    {131, "d99800256de2cedb5435e34aaa3505346eab7067",
     "8661c4d2952fcdb2c19144f02330982df906624a27e239fccff11d75e06afd44"},
    {200, "1ae11cc080ee9e0e0aaf9068ec845e66c6219130",
     "2bad31d72bd6f4cce830b04240a4cfa68fc5b1f13c1e1986abe9dd5c48d0a79d"},
};

TEST(Hash, KeysOfEverySizeClass) {
  std::string data;
  for (int i = 0; i < 200; ++i) data += static_cast<char>(i);
  for (const KeySize& row : kKeySizes) {
    std::string key;
    for (std::size_t i = 0; i < row.size; ++i) key += static_cast<char>(i * 7 + 1);
    EXPECT_EQ(hex(HmacSha1Key(as_bytes(key)).sign({as_bytes(data)})), row.sha1) << row.size;
    EXPECT_EQ(hex(HmacSha256Key(as_bytes(key)).sign({as_bytes(data)})), row.sha256) << row.size;
  }
  EXPECT_EQ(HmacSha1Key().sign({}), HmacSha1Key(ByteView{}).sign({ByteView{}}));
  EXPECT_EQ(hex(HmacSha1Key().sign({})), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
  EXPECT_EQ(hex(HmacSha256Key().sign({})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hash, EqualConstantTime) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  const std::vector<std::uint8_t> a(33, 0x5A);
  EXPECT_FALSE(equal_constant_time(a, {}));
  EXPECT_FALSE(equal_constant_time(a, ByteView(a).first(32)));
  for (std::size_t bit = 0; bit < a.size() * 8; ++bit) {
    std::vector<std::uint8_t> b = a;
    EXPECT_TRUE(equal_constant_time(a, b));
    b[bit / 8] = static_cast<std::uint8_t>(b[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(equal_constant_time(a, b)) << bit;
  }
}

struct Base64Row {
  std::string_view clear;
  const char* standard;
  const char* url;
};

TEST(Hash, Base64) {
  static constexpr Base64Row kRows[] = {
      {"", "", ""},
      {"f", "Zg==", "Zg"},
      {"fo", "Zm8=", "Zm8"},
      {"foo", "Zm9v", "Zm9v"},
      {"foob", "Zm9vYg==", "Zm9vYg"},
      {"fooba", "Zm9vYmE=", "Zm9vYmE"},
      {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
      {"\xFB\xEF\xFF", "++//", "--__"},
      {{"\0", 1}, "AA==", "AA"},
      {{"\0\0\0\0", 4}, "AAAAAA==", "AAAAAA"},
      {"\xFF\xFF", "//8=", "__8"},
  };
  for (const Base64Row& row : kRows) {
    EXPECT_EQ(base64(as_bytes(row.clear)), row.standard);
    EXPECT_EQ(base64url(as_bytes(row.clear)), row.url);
    EXPECT_EQ(base64_decode(row.standard), row.clear) << row.standard;
    EXPECT_EQ(base64_decode(row.url), row.clear) << row.url;
  }
}

TEST(Hash, Base64RoundTripsEveryLength) {
  std::vector<std::uint8_t> bytes;
  for (unsigned i = 0; i < 300; ++i) {
    const std::string clear(as_text(bytes));
    EXPECT_EQ(base64_decode(base64(bytes)), clear);
    EXPECT_EQ(base64_decode(base64url(bytes)), clear);
    EXPECT_EQ(base64(bytes).size(), (bytes.size() + 2) / 3 * 4);
    bytes.push_back(static_cast<std::uint8_t>(i * 37 + 11));
  }
}

TEST(Hash, Base64RefusesWhatNoEncoderWrites) {
  for (const std::string_view text :
       {"Z", "Zm9vY", "Z===", "Zm9v!", "Zm 9v", "Zm9v\n", "Zg==Zg==", "=Zg=", "é"}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
  // Padding that is there must be whole (RFC 4648 §3.2).
  for (const std::string_view text : {"Zg=", "Zg===", "Zm8==", "Zm9v=", "Zm9v====", "====", "=", "=="}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
  // Bits behind the last byte are zero (RFC 4648 §3.5): a value has one spelling in each alphabet.
  for (const std::string_view text : {"Zh==", "Zh", "Zm9=", "Zm9", "//9="}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
}

TEST(Hash, Hex) {
  EXPECT_EQ(hex({}), "");
  const std::uint8_t bytes[] = {0x00, 0x0F, 0xA5, 0xFF};
  EXPECT_EQ(hex(bytes), "000fa5ff");
}

TEST(Hash, Mix64Spreads) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 10'000; ++i) seen.insert(mix64(i, 0)), seen.insert(mix64(0, i + 1));
  EXPECT_EQ(seen.size(), 20'000U);
}

}  // namespace
}  // namespace ts
