// SPDX-License-Identifier: Apache-2.0
// What the kernel's verifier makes of the programs. Needs root.
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include <turnstone/base/bytes.hpp>

#if defined(TURNSTONE_BPF)

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

namespace ts::offload {

ByteView relay_object() noexcept;

namespace {

/// Before Linux 6.17 the verifier takes sums of packet pointers and registers only from who has CAP_PERFMON,
/// which is not asked for. Programs without pointers into packets have none of these.
TEST(Verifier, SeesNoPointersIntoPackets) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::string log(std::size_t{32} << 20U, '\0');
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.kernel_log_buf = log.data();
  options.kernel_log_size = log.size();
  options.kernel_log_level = 2;
  const ByteView bytes = relay_object();
  for (const char* name : {"turnstone_relay", "turnstone_watch"}) {
    bpf_object* object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
    ASSERT_NE(object, nullptr);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
      bpf_program__set_autoload(program, bpf_program__name(program) == std::string(name));
    }
    EXPECT_EQ(bpf_object__load(object), 0);
    bpf_object__close(object);
    const std::string said = log.c_str();
    EXPECT_NE(said.find("R1=ctx"), std::string::npos) << "the log is not as it was";
    EXPECT_EQ(said.find("=pkt"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace ts::offload

#endif
