// SPDX-License-Identifier: Apache-2.0
// signal::Cluster: members of several nodes in one another's Routers. A pure machine over anything that
// carries frames to one node or to all, like Redis' PUBLISH, and may lose them. docs/several-nodes.md says
// how. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/hash.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/cluster_key.hpp>
#include <turnstone/signal/cluster_verdicts.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/outbox.hpp>
#include <turnstone/signal/remote.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal {

namespace wire {
enum class FrameType : std::uint8_t;
struct Head;
struct Op;
class FrameReader;
}  // namespace wire

/// Every node says so often that it is there.
inline constexpr std::chrono::milliseconds kBeaconPeriod{500};
/// When a node has not heard itself for so long, nothing gets through.
inline constexpr std::chrono::milliseconds kEchoLimit{1500};
/// When others are heard and a node is not for so long, it is gone, and its members leave.
inline constexpr std::chrono::milliseconds kNodeLimit{2500};
/// What another node has not confirmed by then is sent again; and by then, its senders are told, and the
/// stream begins anew.
inline constexpr std::chrono::milliseconds kRepeatAfter{400};
inline constexpr std::chrono::milliseconds kDeliveryLimit{3000};
/// What a node misses it asks for again at once, and after this.
inline constexpr std::chrono::milliseconds kAskAgainAfter{100};
/// A stream is not begun anew more often because the other end asks for it, and later each time, up to a
/// limit, when nothing of it was confirmed.
inline constexpr std::chrono::milliseconds kRestartPause{500};
inline constexpr std::chrono::milliseconds kLongestRestartPause{2000};
/// Who does not get to look at the time for so long was stopped, and knows of nobody what became of it.
inline constexpr std::chrono::milliseconds kStoppedLimit{1000};
/// Other nodes; and such as have gone, of which nothing old is heard.
inline constexpr std::size_t kMaxNodes = 64;
inline constexpr std::size_t kMaxGoneNodes = 1024;
/// Who is silent may only have lost its connection, and its HTTP port may be reached all the same; not for
/// ever, since others may get its address.
inline constexpr std::chrono::minutes kGoneUrlLife{10};
/// Of what waits for one node's confirmation, as bytes: all that came after the beginning of the stream, what
/// of it is under way, and one frame (or a single operation). Redis has all windows of those who speak to one
/// node in its buffers at once.
inline constexpr std::size_t kMaxLinkBytes = std::size_t{64} << 20;
inline constexpr std::size_t kLinkWindowBytes = std::size_t{256} << 10;
inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} << 10;
/// What somebody hears further ahead than this of what is known is no clock.
inline constexpr std::uint64_t kMaxStampStep = std::uint64_t{1} << 40;
/// Orders of each kind that nodes which come later are told as well. What anybody can cause has a kind of its
/// own, and makes nothing forgotten that somebody meant.
inline constexpr std::size_t kOrderKinds = 3;
inline constexpr std::size_t kMaxOrders = 4096;
/// Of one other node, of each kind, should it end before all have heard them.
inline constexpr std::size_t kMaxHeardOrders = 1024;

class Cluster final : public Watcher {
 public:
  /// A frame to be carried to whoever listens at a channel.
  struct Publication {
    std::string channel;
    std::string frame;
  };
  /// Takes an order of another node; see order().
  using TakeOrder = std::function<void(std::string_view text)>;

  /// The Router must outlive this object, and is watched by it from now on. `random` makes the node's name.
  /// `prefix` begins the names of channels; `key` is that of all nodes, for kFramesPurpose.
  Cluster(Router& router, RandomSource& random, std::string prefix, const ClusterKey& key,
          TakeOrder take_order = {});
  ~Cluster() override;

  const std::string& node() const noexcept { return node_; }
  /// What this node must listen at: one for all nodes, one of its own.
  const std::string& common_channel() const noexcept { return common_channel_; }
  std::string own_channel() const { return channel_of(node_); }
  /// This node's mark (forward_pass.hpp).
  const std::string& mark() const noexcept { return mark_; }
  /// Where other nodes reach this one's HTTP port; before connected(). Empty: nowhere.
  void set_url(std::string url) { url_ = std::move(url); }
  /// The same of the other node with this mark, which may be empty too, and has not said goodbye; null: there
  /// is none, or it has been silent for long.
  const std::string* url_of(const Now& now, std::string_view mark) const noexcept;
  /// Called whenever there is something to be taken, soon; once until that is done.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  // What carries the frames.

  /// This node listens at both channels now, and what it publishes is carried.
  void connected(const Now& now);
  /// Nothing is carried any more.
  void disconnected(const Now& now);
  /// A frame came, of whatever channel: why it was not taken, if a stranger or another version is behind it.
  std::optional<ClusterRefusal> received(const Now& now, std::string_view frame);
  /// What is to be published now, in this order. To be called when woken, and after tick().
  std::vector<Publication> take(const Now& now);
  /// Does what is due; call at next_deadline() or later.
  void tick(const Now& now);
  /// When tick() has something to do; nothing: never.
  std::optional<TimePoint> next_deadline() const noexcept;

  // This node.

  /// What a call on the Router says to members at other nodes. Any event that means nothing to them is passed
  /// over.
  void deliver(const Outbox& outbox);
  /// Takes what other nodes say to members here. It may call the Router.
  void set_others(std::function<void(const Now&, const Outbox&)> others) { others_ = std::move(others); }
  /// Tells all other nodes, those too which come before `until`. At most 4096 bytes; `kind` below
  /// kOrderKinds.
  void order(const Now& now, std::string text, WallTime until, std::size_t kind = 0);
  /// This node is about to stop: its members leave at once. take() has the goodbye; nothing follows it.
  void leave();

  /// Frames get through, and all nodes that are known are reached.
  bool is_whole() const noexcept;
  /// Frames get through.
  bool is_up() const noexcept { return up_; }
  ClusterCounters& counters() noexcept { return counters_; }
  /// With the gauges of now.
  ClusterCounters snapshot() const;

  // Watcher.
  void entered(const RemoteMember& member) override;
  void gone(std::string_view peer, LeaveReason why) override;
  void joined(std::string_view peer, std::string_view room, std::uint64_t order,
              std::string_view meta) override;
  void left(std::string_view peer, std::string_view room, LeaveReason why) override;
  void updated(std::string_view peer, std::string_view room, std::string_view meta) override;
  void lost(std::string_view peer, bool is_lost) override;
  void configured(const RemoteRoom& room) override;
  void banned(const RemoteBan& ban) override;
  void superseded(std::uint64_t connection) override;

 private:
  /// One claim of a peer id. A node that claims knows of all claims before, as far as it has heard: of two,
  /// the higher one is the later, or both are at the same time, and every node decides alike.
  struct Claim {
    std::uint64_t stamp = 0;
    std::string_view node;
  };
  struct LocalMember {
    std::uint64_t number = 0;
    std::uint64_t stamp = 0;
    /// The node whose member made way for it; mostly empty.
    std::string over{};
  };
  /// Of another node.
  struct Member {
    ConnectionId connection = 0;
    std::string peer;
    std::uint64_t stamp = 0;
    /// The peer id is another member's, whose claim is higher: what is known of this one, should that one go.
    std::unique_ptr<RemoteRecord> hidden{};
    /// Not told of yet, since the snapshot began; and the rooms that were.
    bool stale = false;
    std::vector<std::string> told{};
  };
  /// How an operation that is given up is made good: the new stream tells of all State, senders of Messages
  /// are told, and Answers go over the new stream.
  enum class Carried : std::uint8_t { State, Message, Answer };
  /// An operation that the other node has not confirmed.
  struct Sent {
    std::shared_ptr<const std::string> op;
    Carried as = Carried::State;
  };
  struct Link;
  struct Where {
    Link* link = nullptr;
    std::uint64_t number = 0;
  };
  /// A message that did not get through.
  struct Bounce {
    std::string sender;
    std::string room;
    std::string to;
  };
  struct Order {
    std::string text;
    WallTime until;
    friend bool operator==(const Order&, const Order&) = default;
  };
  /// A node that has gone, its last frame, and where it was unless it said goodbye.
  struct Gone {
    std::string node;
    std::uint64_t serial = 0;
    std::string mark{};
    std::string url{};
    TimePoint since{};
  };
  class Recount;

  std::string channel_of(std::string_view node) const;
  static bool beats(const Claim& a, const Claim& b) noexcept;
  std::optional<ClusterRefusal> refuse(ClusterRefusal why);
  void notice_stop(const Now& now);
  void wake();
  void say(const Now& now);
  void tell_all(const Now& now, Link& link);

  void tell_kick(std::string_view peer, const Where& where, const Kicked& kicked);

  // Links (cluster_link.cpp).
  Link* link_to(const Now& now, std::string_view node);
  void start(const Now& now, Link& link);
  void break_off(Link& link, ClusterLoss why);
  void bounce(Link& link, ClusterLoss why);
  void drop(const Now& now, Link& link, LeaveReason why);
  void inherit(const Link& link);
  const Gone* find_gone(std::string_view node) const noexcept;
  std::uint64_t last_serial(std::string_view node) const noexcept;
  void bury(Gone gone);
  void heard(const Now& now, Link& link);
  void echoed(const Now& now, std::uint64_t serial);
  void go_down();
  void push(Link& link, const wire::Op& op, const std::shared_ptr<const std::string>& bytes);
  void push(Link& link, const wire::Op& op);
  void push_all(const wire::Op& op);
  void confirm(const Now& now, Link& link, const wire::Head& head);
  void look(const Now& now, Link& link);
  void ask_anew(Link& link, std::uint64_t stream);
  bool advance_stream(const Now& now, Link& link, const wire::Head& head);
  void publish(const Now& now, Link& link, std::vector<Publication>& out);
  void publish(std::string channel, wire::Head& head, std::string_view ops, std::vector<Publication>& out);
  void publish_to_all(wire::FrameType type, std::vector<Publication>& out);

  // Operations of other nodes (cluster_ops.cpp).
  void read(const Now& now, Link& link, wire::FrameReader& in, const wire::Head& head);
  void apply(const Now& now, Link& link, const wire::Op& op);
  void apply_to(const Now& now, Link& link, Member& member, const wire::Op& op);
  void apply_hidden(RemoteRecord& member, const wire::Op& op);
  void apply_member(const Now& now, Link& link, const wire::Op& op);
  void apply_message(Link& link, const wire::Op& op);
  void apply_kick(const Now& now, const wire::Op& op);
  bool was_kicked(const Now& now, Link& link, const Member& member, const wire::Op& op);
  void apply_order(Link& link, const wire::Op& op);
  bool make_room(const Link& link, const wire::Op& op);
  void show(const Now& now, Link& link, std::uint64_t number, Member& member);
  void hide(const Where& where);
  void promote(const Now& now, std::string_view peer);
  void fill_vacant(const Now& now);
  void end_snapshot(const Now& now, Link& link);
  void forget(const Now& now, Link& link, std::uint64_t number, LeaveReason why);

  Router& router_;
  const std::string prefix_;
  const std::string node_;
  const std::string common_channel_;
  const HmacSha256Key key_;
  const std::string mark_;
  std::string url_;
  TakeOrder take_order_;
  std::function<void()> wake_;
  std::function<void(const Now&, const Outbox&)> others_;
  Outbox said_;
  bool awake_ = false;
  ClusterCounters counters_;

  bool connected_ = false;
  bool up_ = false;
  bool left_ = false;
  TimePoint up_since_{};
  TimePoint echo_{};
  TimePoint beacon_due_{};
  TimePoint now_{};  // of the last call that had one
  TimePoint ticked_{};
  bool say_goodbye_ = false;

  /// Of the last frame of ours; and of the first one whose echo says that frames get through.
  std::uint64_t serial_ = 0;
  std::uint64_t echo_from_ = 1;
  /// Of claims; and the highest number of any clock that was heard.
  std::uint64_t stamps_ = 0;
  std::uint64_t newest_ = 0;
  std::uint64_t numbers_ = 0;
  std::uint64_t streams_ = 0;
  ConnectionId last_remote_ = kFirstRemoteConnection;
  /// Ordered: strangers choose the names.
  std::map<std::string, LocalMember, std::less<>> locals_;
  std::map<std::string, std::unique_ptr<Link>, std::less<>> links_;
  std::deque<Gone> gone_nodes_;
  /// Members that are shown to the Router, and those that are not.
  boost::unordered_flat_map<ConnectionId, Where> remotes_;
  std::multimap<std::string, Where, std::less<>> hidden_;
  /// Peer ids that members here have given back.
  std::vector<std::string> vacant_;
  /// The node whose member makes way for the next one here.
  std::string replaced_;
  Kicks kicks_;
  Bans bans_;
  std::array<std::deque<Order>, kOrderKinds> orders_;
  std::vector<Bounce> bounces_;
};

}  // namespace ts::signal
