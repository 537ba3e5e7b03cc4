// SPDX-License-Identifier: Apache-2.0
// Turnstone's TURN core without a socket: one Binding request goes in, and what is to be sent comes out. A
// real program reads datagrams into from_client(), sends what the Outbox holds, and passes its clock's time.
#include <array>
#include <chrono>
#include <cstdio>
#include <random>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/turn/server.hpp>

namespace {

class DeviceRandom final : public ts::RandomSource {
 public:
  void fill(ts::MutableBytes out) noexcept override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(device_());
  }

 private:
  std::random_device device_;
};

}  // namespace

int main() {
  using namespace std::chrono;
  const ts::Now now{ts::TimePoint(steady_clock::now().time_since_epoch()),
                    time_point_cast<seconds>(system_clock::now())};
  DeviceRandom random;

  ts::auth::Options auth;
  auth.secrets = {"a secret of this example"};
  ts::turn::Options options;
  const ts::auth::Credentials credentials(auth);
  const ts::auth::NonceMaker nonces(random.bytes<32>(), auth.nonce_lifetime);
  ts::turn::LocalLedger ledger(options);
  ts::turn::Server server(ts::turn::Surroundings{options, credentials, nonces, ledger, random});

  const auto id = random.bytes<12>();
  std::array<std::uint8_t, 64> request{};
  const ts::ByteView bytes = ts::stun::MessageBuilder(request, ts::stun::MessageClass::Request,
                                                      ts::stun::Method::Binding, ts::stun::TransactionId{id})
                                 .finish();
  const ts::turn::FiveTuple tuple{*ts::Endpoint::parse("192.0.2.7:40000"),
                                  *ts::Endpoint::parse("192.0.2.1:3478")};
  ts::turn::Outbox outbox;
  server.from_client(now, ts::turn::Inbound{tuple, 1, bytes}, outbox);
  for (const ts::turn::ToClient& answer : outbox.to_clients) {
    const auto message = ts::stun::MessageView::parse(answer.bytes);
    const auto mapped = message ? message->find(ts::stun::AttributeType::XorMappedAddress) : std::nullopt;
    const auto address =
        mapped ? ts::stun::decode_xor_address(*mapped, message->transaction_id()) : std::nullopt;
    if (address) std::printf("mapped address: %s\n", address->to_string().c_str());
  }
  outbox.clear();

  const ts::auth::Minted minted = ts::auth::mint(auth.secrets.front(), "alice", now.wall + hours(1));
  std::printf("username: %s\n", minted.username.c_str());
  return 0;
}
