// SPDX-License-Identifier: Apache-2.0
// SlotMap: objects in stable storage, named by handles that turn invalid when the object is erased.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace ts {

/// Names an object of a SlotMap; never valid again after the object was erased. Default: names nothing.
struct SlotHandle {
  std::uint32_t index = 0xFFFFFFFFU;
  std::uint32_t generation = 0;

  friend constexpr bool operator==(const SlotHandle&, const SlotHandle&) noexcept = default;
};

/// A handle as a number, and back.
constexpr std::uint64_t pack(SlotHandle handle) noexcept {
  return std::uint64_t{handle.generation} << 32 | handle.index;
}
constexpr SlotHandle unpack(std::uint64_t packed) noexcept {
  return SlotHandle{static_cast<std::uint32_t>(packed), static_cast<std::uint32_t>(packed >> 32)};
}

/// Chunked storage: addresses never change, memory grows by one chunk, erase and insert are O(1).
template <class T>
class SlotMap {
 public:
  SlotMap() = default;
  SlotMap(const SlotMap&) = delete;
  SlotMap& operator=(const SlotMap&) = delete;
  ~SlotMap() {
    for (std::uint32_t i = 0; i < capacity_; ++i) {
      if (slot(i).live) slot(i).object()->~T();
    }
  }

  /// Constructs an object; the reference stays valid until erase().
  template <class... Args>
  std::pair<SlotHandle, T&> emplace(Args&&... args) {
    if (free_head_ == kNone) grow();
    const std::uint32_t index = free_head_;
    Slot& s = slot(index);
    T* object = ::new (static_cast<void*>(s.storage)) T(std::forward<Args>(args)...);
    free_head_ = s.next_free;
    s.live = true;
    ++size_;
    return {SlotHandle{index, s.generation}, *object};
  }

  /// The object, or null when it was erased.
  T* find(SlotHandle handle) noexcept {
    if (handle.index >= capacity_) return nullptr;
    Slot& s = slot(handle.index);
    return s.live && s.generation == handle.generation ? s.object() : nullptr;
  }
  const T* find(SlotHandle handle) const noexcept { return const_cast<SlotMap*>(this)->find(handle); }

  /// Destroys the object; false when it was gone already.
  bool erase(SlotHandle handle) noexcept {
    T* object = find(handle);
    if (object == nullptr) return false;
    Slot& s = slot(handle.index);
    object->~T();
    s.live = false;
    ++s.generation;
    s.next_free = free_head_;
    free_head_ = handle.index;
    --size_;
    return true;
  }

  /// Names the object at an index below capacity(); where there is none, nothing.
  SlotHandle handle_at(std::uint32_t index) const noexcept {
    if (index >= capacity_) return {};
    const Slot& s = const_cast<SlotMap*>(this)->slot(index);
    return s.live ? SlotHandle{index, s.generation} : SlotHandle{};
  }

  std::size_t size() const noexcept { return size_; }
  /// Indices are below this.
  std::uint32_t capacity() const noexcept { return capacity_; }

  /// Calls `f(SlotHandle, T&)` for each object; `f` may erase the object it is given.
  template <class F>
  void for_each(F&& f) {
    for (std::uint32_t i = 0; i < capacity_; ++i) {
      Slot& s = slot(i);
      if (s.live) f(SlotHandle{i, s.generation}, *s.object());
    }
  }

 private:
  static constexpr std::uint32_t kChunk = 64;
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

  struct Slot {
    alignas(T) std::byte storage[sizeof(T)];
    std::uint32_t generation = 1;
    std::uint32_t next_free = kNone;
    bool live = false;
    T* object() noexcept { return std::launder(reinterpret_cast<T*>(storage)); }
  };

  Slot& slot(std::uint32_t index) noexcept { return chunks_[index / kChunk][index % kChunk]; }

  void grow() {
    chunks_.push_back(std::make_unique<Slot[]>(kChunk));
    for (std::uint32_t i = kChunk; i-- > 0;) {
      chunks_.back()[i].next_free = free_head_;
      free_head_ = capacity_ + i;
    }
    capacity_ += kChunk;
  }

  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::uint32_t free_head_ = kNone;
  std::uint32_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace ts
