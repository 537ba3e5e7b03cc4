// SPDX-License-Identifier: Apache-2.0
// Handle: a number for the filters of one server among several in a network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ts::offload {

/// Servers on one network namespace at most.
inline constexpr std::uint32_t kMostHandles = 16;

/// Is had by this process until it ends, however it ends; then what is left of its filters is the next one's
/// to replace. Two things hold a number. A name in the abstract namespace of Unix sockets, which all see who
/// share the network namespace, containers too, but which any user may take; and a locked file, where there
/// is a folder that nobody else can write to. A name that a stranger has counts for nothing where there is
/// the file.
class Handle {
 public:
  /// Nothing: all are taken. The smallest one that is free, or one whose name a stranger keeps, where there
  /// is none. `folder`: of the locks; made by root where it is missing, and left alone if others than root
  /// and this user may write to it.
  static std::optional<Handle> take(const std::string& folder = kFolder);
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  /// Calls `f(number)` for each that nobody has, and keeps it from others meanwhile.
  template <class F>
  static void for_each_free(F&& f, const std::string& folder = kFolder) {
    for (std::uint32_t i = 0; i < kMostHandles; ++i) {
      if (const auto handle = take_one(i, folder, Names::Free)) f(handle->number());
    }
  }

  /// Of the filters, as tc(8) shows it.
  std::uint32_t number() const noexcept { return number_; }

 private:
  static constexpr const char* kFolder = "/run/turnstone";
  /// A stranger may be a server of another user, so its name is only taken where nothing is free.
  enum class Names : bool { Free, Strangers };
  static std::optional<Handle> take_one(std::uint32_t index, const std::string& folder, Names names);
  Handle(std::uint32_t number, int name, int lock, std::string path) noexcept;
  std::uint32_t number_;
  int name_;
  int lock_;
  std::string path_;  // of the lock
};

}  // namespace ts::offload
