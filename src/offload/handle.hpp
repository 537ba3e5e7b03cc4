// SPDX-License-Identifier: Apache-2.0
// Handle: a number for the filters of one server among several in a network namespace.
#pragma once

#include <cstdint>
#include <optional>

namespace ts::offload {

/// Servers on one network namespace at most.
inline constexpr std::uint32_t kMostHandles = 16;

/// Is had by this process until it ends, however it ends; then what is left of its filters is the next one's
/// to replace.
class Handle {
 public:
  /// Nothing: all are taken. The smallest one that is free.
  static std::optional<Handle> take();
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  /// Calls `f(number)` for each that nobody has, and keeps it from others meanwhile.
  template <class F>
  static void for_each_free(F&& f) {
    for (std::uint32_t i = 0; i < kMostHandles; ++i) {
      if (const auto handle = take_one(i)) f(handle->number());
    }
  }

  /// Of the filters, as tc(8) shows it.
  std::uint32_t number() const noexcept { return number_; }

 private:
  static std::optional<Handle> take_one(std::uint32_t index);
  Handle(std::uint32_t number, int descriptor) noexcept : number_(number), descriptor_(descriptor) {}
  std::uint32_t number_;
  int descriptor_;
};

}  // namespace ts::offload
