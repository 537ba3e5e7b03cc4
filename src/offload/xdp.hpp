// SPDX-License-Identifier: Apache-2.0
// Xdp: the XDP program on the devices whose drivers run it, and what it knows of them and of their
// neighbours. It stands before tc's program, which takes what it passes on. All calls from one thread at a
// time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <turnstone/base/time.hpp>

#include "surroundings.hpp"
#include "ways.hpp"

namespace ts::offload {

class Xdp {
 public:
  /// Descriptors of the loaded program and of its maps, which outlive this.
  struct Parts {
    int program = -1;
    int devices = -1;
    int out = -1;
    int hops = -1;
  };
  explicit Xdp(const Parts& parts) noexcept : parts_(parts) {}
  /// Detaches. A process that crashes does so too: the links are descriptors.
  ~Xdp();
  Xdp(const Xdp&) = delete;
  Xdp& operator=(const Xdp&) = delete;

  bool is_open() const noexcept { return surroundings_.is_open(); }

  /// Attaches to those of the devices that can have it, and detaches from all others. `problems` gets why one
  /// cannot, when that is new. A device that has refused is asked again when it has changed.
  void serve(const std::vector<Device>& devices, std::vector<std::string>& problems);
  /// The devices that have the program.
  bool serves(std::uint32_t device) const { return served_.contains(device); }
  /// What nobody tells of: which devices can send, and links that somebody has broken; true: call serve().
  bool look_around();

  /// To wait for, before follow().
  int descriptor() const noexcept { return surroundings_.descriptor(); }
  /// Follows the neighbours, not more often than kFollowEvery; true: there is more, call again after that.
  bool follow(TimePoint now);
  static constexpr std::chrono::milliseconds kFollowEvery{50};

 private:
  struct Served {
    Device device;
    int link = -1;
    bool sends = false;
    bool told = false;  // that it does not
  };
  struct Refused {
    std::uint32_t mtu = 0;
    std::string reason;
    friend bool operator==(const Refused&, const Refused&) = default;
  };
  struct Hop {
    std::uint32_t device;
    IpAddress address;
    friend auto operator<=>(const Hop&, const Hop&) = default;
  };

  void drop(const Served& served) noexcept;
  void drop_hops(std::uint32_t device);
  /// Why not; empty: it is served.
  std::string attach(const Device& device);
  void tell_sends(Served& served);
  bool update_hops();

  const Parts parts_;
  Surroundings surroundings_;
  std::map<std::uint32_t, Served> served_;
  std::map<std::uint32_t, Refused> refused_;
  std::map<Hop, EthernetAddress> hops_;
  bool again_ = false;  // serve() could not do its work
  bool behind_ = true;
  TimePoint followed_;
};

}  // namespace ts::offload
