// SPDX-License-Identifier: Apache-2.0
// FlowTable: the flows that were told of, and which of them the kernel has. Its owner locks it; no call waits
// for anything, and none takes longer the more flows there are.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include <turnstone/turn/flows.hpp>

#include "program.hpp"

namespace ts::offload {

class FlowTable {
 public:
  struct Name {
    Endpoint client;
    Endpoint server;
    std::uint16_t channel = 0;
    friend bool operator==(const Name&, const Name&) noexcept = default;
  };
  static Name name_of(const turn::Flow& flow) { return {flow.tuple.client, flow.tuple.server, flow.channel}; }

  /// A flow whose ways are to be found, as it was told.
  struct Wanted {
    turn::Flow flow;
    std::uint64_t telling = 0;
  };

  /// `seed`: nobody can choose clients whose names collide.
  FlowTable(Program& program, std::uint64_t seed);

  /// A flow begins, or lasts until another time, which holds at once. True: its ways are to be found, and
  /// find() has not been called since that was said last. Beyond TS_MAX_FLOWS flows nothing is kept of one.
  bool tell(const turn::Flow& flow);
  /// It is over; fills in what was relayed.
  void end(turn::Flow& flow);

  /// Of the flow at a place below size(). When one ends, the last one gets its place: who goes through them
  /// from the last to the first misses none that was there at the start, and may meet one twice.
  const Name& name_at(std::size_t place) const noexcept { return places_[place]->first; }
  /// Nothing: it is over.
  std::optional<Wanted> find(const Name& name);

  /// Gives the flow to the kernel with these ways, or takes it back where there are none. What was told anew
  /// since it was found is left as it is.
  void place(const Wanted& wanted, const std::optional<Ways>& ways, std::uint32_t epoch);

  /// Flows that the kernel has.
  std::size_t placed() const noexcept { return placed_; }
  std::size_t size() const noexcept { return held_.size(); }
  std::size_t free_slots() const noexcept { return free_.size(); }
  /// Those below have been used.
  std::uint32_t slots_used() const noexcept { return slots_used_; }

  /// Slots that were left, which packets may still be using: take_left(), Program::settle(), give_back();
  /// where the kernel could not be waited for, they are left still.
  std::vector<std::uint32_t> take_left() noexcept;
  void give_back(const std::vector<std::uint32_t>& slots);
  void leave(const std::vector<std::uint32_t>& slots);

 private:
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const Name& n) const noexcept {
      return n.client.hash(n.server.hash(seed ^ n.channel));
    }
  };
  struct Held {
    turn::Flow flow;
    std::uint64_t telling = 0;
    std::size_t place = 0;
    /// tell() has said that its ways are to be found.
    bool awaited = false;
    /// The kernel has it.
    std::optional<std::uint32_t> slot;
    Ways ways;
    std::uint32_t epoch = 0;
    /// Of the slot, before this flow; and what the flow relayed by other slots.
    ts_counts before{};
    turn::Traffic to_peer;
    turn::Traffic to_client;
  };

  void take_back(Held& held);
  void leave_slot(Held& held);

  Program& program_;
  // Of nodes, and made for as many as there may be: it never moves what it holds.
  std::unordered_map<Name, Held, Hash> held_;
  std::vector<const decltype(held_)::value_type*> places_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> left_;
  std::uint64_t tellings_ = 0;
  std::size_t placed_ = 0;
  std::uint32_t slots_used_ = 0;
};

}  // namespace ts::offload
