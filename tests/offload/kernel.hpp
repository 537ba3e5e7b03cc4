// SPDX-License-Identifier: Apache-2.0
// Runs the kernel program on frames (BPF_PROG_TEST_RUN); nothing leaves. Needs root.
#pragma once

#include <ctime>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <turnstone/base/time.hpp>

#include "../../src/offload/program.hpp"
#include "wire.hpp"

namespace ts::offload::testing {

/// The device that test runs come in by.
inline constexpr std::uint32_t kLoopback = 1;

/// Instead of an action: the run failed.
inline constexpr int kFailed = -2;

/// The program in the driver, or the filter behind it.
enum class By : bool { Tc, Xdp };

struct Verdict {
  /// In tc's words; sent by XDP is redirected, too.
  int action = kFailed;
  Bytes frame;
  std::uint32_t priority = 0;
};

struct Circumstances {
  std::uint32_t gso_size = 0;
  /// 0: it was sent on this host.
  std::uint32_t came_by = 0;
  std::uint32_t mark = 0;
  std::uint32_t priority = 0;
};

inline Verdict run(int program, const Bytes& frame, const Circumstances& with = {}) {
  Verdict out;
  out.frame.resize(frame.size() + 256);
  __sk_buff context{};
  context.ifindex = kLoopback;
  context.ingress_ifindex = with.came_by;
  context.mark = with.mark;
  context.priority = with.priority;
  context.gso_size = with.gso_size;
  context.gso_segs = with.gso_size != 0 ? 2 : 0;
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<__u32>(program);
  attributes.test.data_in = reinterpret_cast<std::uintptr_t>(frame.data());
  attributes.test.data_size_in = static_cast<__u32>(frame.size());
  attributes.test.data_out = reinterpret_cast<std::uintptr_t>(out.frame.data());
  attributes.test.data_size_out = static_cast<__u32>(out.frame.size());
  attributes.test.ctx_in = reinterpret_cast<std::uintptr_t>(&context);
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.ctx_out = reinterpret_cast<std::uintptr_t>(&context);
  attributes.test.ctx_size_out = sizeof context;
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) != 0) return out;
  out.action = static_cast<int>(attributes.test.retval);
  out.frame.resize(attributes.test.data_size_out);
  out.priority = context.priority;
  return out;
}

/// In tc's words.
inline int action_of_xdp(std::uint32_t action) noexcept {
  return action == XDP_PASS                           ? TC_ACT_UNSPEC
         : action == XDP_TX || action == XDP_REDIRECT ? TC_ACT_REDIRECT
         : action == XDP_DROP                         ? TC_ACT_SHOT
                                                      : kFailed;
}

/// A frame comes in by loopback, to the XDP program. `tells`: the action in XDP's words.
inline Verdict run_xdp(const Program& program, const Bytes& frame, std::uint32_t* tells = nullptr) {
  Verdict out;
  out.frame.resize(frame.size() + 256);
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<__u32>(program.xdp_parts().program);
  attributes.test.data_in = reinterpret_cast<std::uintptr_t>(frame.data());
  attributes.test.data_size_in = static_cast<__u32>(frame.size());
  attributes.test.data_out = reinterpret_cast<std::uintptr_t>(out.frame.data());
  attributes.test.data_size_out = static_cast<__u32>(out.frame.size());
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) != 0) return out;
  out.action = action_of_xdp(attributes.test.retval);
  if (tells != nullptr) *tells = attributes.test.retval;
  out.frame.resize(attributes.test.data_size_out);
  return out;
}

/// A frame comes in.
inline Verdict run(const Program& program, const Bytes& frame, const Circumstances& with = {}) {
  return run(program.relay_descriptor(), frame, with);
}
/// A frame leaves.
inline Verdict leave(const Program& program, const Bytes& frame, const Circumstances& with = {}) {
  return run(program.watch_descriptor(), frame, with);
}

inline TimePoint kernel_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return TimePoint{std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)};
}

}  // namespace ts::offload::testing
