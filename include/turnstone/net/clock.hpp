// SPDX-License-Identifier: Apache-2.0
// The only clock of the program, and its CSPRNG.
#pragma once

#include <turnstone/base/random.hpp>
#include <turnstone/base/time.hpp>

namespace ts::net {

/// Monotonic and wall time of this moment.
Now now() noexcept;

/// OpenSSL's CSPRNG. Thread-safe; aborts the program if it fails, since nothing safe can be done without it.
class SystemRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override;
};

}  // namespace ts::net
