// SPDX-License-Identifier: Apache-2.0
// Datagrams go in batches, each behind it a right Binding request: its answer says that the server has seen
// the batch, since a five-tuple's datagrams stay in order.
#include <cstring>
#include <memory>
#include <unordered_set>

#include <poll.h>
#include <sys/socket.h>

#include "sockets.hpp"
#include "storm.hpp"

namespace ts::hostile {

namespace {

constexpr std::size_t kBatch = 48;
constexpr std::size_t kFlows = 12;
constexpr std::uint64_t kMessagesPerLife = 20'000;
constexpr int kPatience = 40;  // times 250 ms

std::uint64_t id_hash(const std::uint8_t* id) { return mix64(load_be64(id), load_be64(id + 8)); }

/// One five-tuple.
class Flow {
 public:
  Flow(Storm& storm, unsigned index, std::uint64_t seed)
      : storm_(storm), generator_(storm.target, seed), index_(index) {
    socket_ = load::udp_socket({IpAddress::v4(127, 0, 0, static_cast<std::uint8_t>(10 + index % 200)), 0});
    load::connect_udp(socket_, {IpAddress::v4(127, 0, 0, 1), storm.ports.turn});
  }

  void send_batch(std::size_t count) {
    batch_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      batch_.push_back(generator_.next(challenge_, false));
      remember(batch_.back());
    }
    send_barrier();
    std::vector<mmsghdr> headers(batch_.size());
    std::vector<iovec> vectors(batch_.size());
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      vectors[i] = {batch_[i].data(), batch_[i].size()};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    for (std::size_t sent = 0; sent < headers.size();) {
      const int n = sendmmsg(socket_.get(), &headers[sent], static_cast<unsigned>(headers.size() - sent), 0);
      if (n <= 0) break;  // what is lost is asked for again by the barrier
      sent += static_cast<std::size_t>(n);
    }
    storm_.udp_messages += count;
  }

  /// Reads until the barrier's answer is there.
  bool wait() {
    for (int i = 0; i < kPatience; ++i) {
      if (drain()) return true;
      if (load::wait_readable(socket_, 250)) {
        if (drain()) return true;
        continue;
      }
      const Bytes again = Generator::binding(barrier_);
      if (send(socket_.get(), again.data(), again.size(), 0) < 0) continue;
    }
    std::string last = "UDP: no answer to a Binding request behind these:";
    for (const Bytes& message : batch_) last += "\n  " + hex_of(message);
    storm_.fail(last);
    return false;
  }

  /// Ends what may be allocated here, whoever owns it.
  bool end() {
    for (int round = 0; round < 2; ++round) {  // the first may say that the nonce is stale
      batch_.clear();
      for (const Account& account : storm_.target.accounts) {
        batch_.push_back(generator_.refresh(account, challenge_, 0));
        remember(batch_.back());
        if (send(socket_.get(), batch_.back().data(), batch_.back().size(), 0) < 0) return false;
      }
      send_barrier();
      if (send(socket_.get(), batch_.back().data(), batch_.back().size(), 0) < 0) return false;
      if (!wait()) return false;
    }
    return true;
  }

 private:
  void remember(const Bytes& message) {
    if (message.size() >= 20) asked_.insert(id_hash(&message[4]));
  }
  void send_barrier() {
    barrier_ = (std::uint64_t{0xBA221E20} << 32) + (std::uint64_t{index_} << 24) + ++round_;
    batch_.push_back(Generator::binding(barrier_));
    remember(batch_.back());
  }

  /// Takes what is there; true when the barrier's answer was among it.
  bool drain() {
    bool reached = false;
    std::uint8_t buffer[65'536];
    for (ssize_t n; (n = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) >= 0;) {
      const ByteView bytes(buffer, static_cast<std::size_t>(n));
      Answer answer = read_answer(bytes, storm_.target, false);
      const bool needs_request = !answer.channel_data && !answer.indication;
      if (answer.wrong.empty() && needs_request && !asked_.contains(id_hash(answer.id.data())))
        answer.wrong = "an answer to nothing";
      storm_.judge(answer, bytes, "UDP");
      if (!answer.challenge.nonce.empty()) challenge_ = answer.challenge;
      if (answer.success && answer.method == 1 && load_be64(&answer.id[4]) == barrier_) reached = true;
    }
    return reached;
  }

  Storm& storm_;
  Generator generator_;
  unsigned index_;
  load::Fd socket_;
  Challenge challenge_;
  std::unordered_set<std::uint64_t> asked_;
  std::vector<Bytes> batch_;
  std::uint64_t barrier_ = 0;
  std::uint64_t round_ = 0;
};

}  // namespace

void attack_udp(Storm& storm, unsigned index, std::uint64_t messages) {
  std::uint64_t life = 0;
  while (messages > 0 && !storm.failed()) {
    std::vector<std::unique_ptr<Flow>> flows;
    for (unsigned i = 0; i < kFlows; ++i) {
      const std::uint64_t seed = mix64(storm.seed, (std::uint64_t{index} << 40) + (life << 8) + i);
      flows.push_back(std::make_unique<Flow>(storm, index * kFlows + i, seed));
    }
    ++life;
    for (std::uint64_t sent = 0; sent < kMessagesPerLife && messages > 0 && !storm.failed();) {
      for (std::size_t i = 0; i < kFlows; i += 2) {  // the server works on one while the next is written
        for (std::size_t j = i; j < i + 2; ++j) {
          const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(kBatch, messages));
          flows[j]->send_batch(count);
          messages -= count;
          sent += count;
        }
        for (std::size_t j = i; j < i + 2; ++j) {
          if (!flows[j]->wait()) return;
        }
      }
    }
    for (const auto& flow : flows) {
      if (!flow->end()) return;
    }
  }
}

}  // namespace ts::hostile
