// SPDX-License-Identifier: Apache-2.0
// The binary's operator new, which counts.
#include <cstdlib>
#include <new>

#include "testing.hpp"

namespace {
std::size_t g_count = 0;

void* counted(std::size_t size) {
  ++g_count;
  if (void* p = std::malloc(size != 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace ts::stun::testing {
std::size_t allocation_count() noexcept { return g_count; }
}  // namespace ts::stun::testing
