// SPDX-License-Identifier: Apache-2.0
// The rows of the table. Label sets are enumerations or shard numbers, so the number of series is bounded.
#include "catalogue.hpp"

#include <array>

#include <turnstone/metrics/labels.hpp>

namespace ts::metrics {
namespace {

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;
constexpr MetricType kHistogram = MetricType::Histogram;

/// One sample for each enumerator of `Enum`, which indexes `values`.
template <class Enum, std::size_t N>
void each(Samples& out, const std::array<std::uint64_t, N>& values) {
  for (std::size_t i = 0; i < N; ++i) out.add(values[i], {label(static_cast<Enum>(i))});
}

/// One sample for each pair of enumerators, which index `table`.
template <class Row, class Column, std::size_t R, std::size_t C>
void each_pair(Samples& out, const std::array<std::array<std::uint64_t, C>, R>& table) {
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t c = 0; c < C; ++c) {
      out.add(table[r][c], {label(static_cast<Row>(r)), label(static_cast<Column>(c))});
    }
  }
}

/// One sample for each direction and client transport of the member that `Part` names.
void each_relayed(Samples& out, const Snapshot& s, std::uint64_t turn::Traffic::*part) {
  for (std::size_t i = 0; i < turn::kTransportCount; ++i) {
    const std::string_view transport = label(static_cast<turn::Transport>(i));
    out.add(s.turn.to_peer[i].*part, {"to_peer", transport});
    out.add(s.turn.to_client[i].*part, {"to_client", transport});
  }
}

constexpr std::array kTurn{
    Metric{
        {"turnstone_allocations", kGauge, "Allocations that live, by the client's transport.", "transport"},
        [](const Snapshot& s, Samples& out) { each<turn::Transport>(out, s.turn.allocations); }},
    Metric{{"turnstone_shard_allocations", kGauge, "Allocations that live on each shard.", "shard"},
           [](const Snapshot& s, Samples& out) {
             for (std::size_t i = 0; i < s.shard_allocations.size(); ++i) {
               out.add(s.shard_allocations[i], {std::to_string(i)});
             }
           }},
    Metric{{"turnstone_allocations_created_total", kCounter, "Allocations made.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.allocations_created); }},
    Metric{{"turnstone_allocations_ended_total", kCounter, "Allocations ended, by reason.", "reason"},
           [](const Snapshot& s, Samples& out) { each<turn::EndReason>(out, s.turn.allocations_ended); }},
    Metric{{"turnstone_permissions", kGauge, "Permissions installed on living allocations.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.permissions); }},
    Metric{{"turnstone_channels", kGauge, "Channels bound on living allocations.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.channels); }},
    Metric{{"turnstone_relay_ports_used", kGauge, "Relay ports that allocations hold or reserve.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.ports_used); }},
    Metric{{"turnstone_relay_ports_free", kGauge, "Relay ports that can still be given away.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.ports_free); }},
    Metric{{"turnstone_relayed_packets_total", kCounter,
            "Datagrams relayed, by direction and by the client's transport.", "direction, transport"},
           [](const Snapshot& s, Samples& out) { each_relayed(out, s, &turn::Traffic::packets); }},
    Metric{{"turnstone_relayed_bytes_total", kCounter,
            "Payload relayed, without headers, by direction and by the client's transport.",
            "direction, transport"},
           [](const Snapshot& s, Samples& out) { each_relayed(out, s, &turn::Traffic::bytes); }},
    Metric{
        {"turnstone_offload_flows", kGauge,
         "Bound channels that the kernel has been given. It relays those that it has seen nothing done to on "
         "this host; whether it does, turnstone_offload_packets_total shows. Absent where relay.offload is "
         "off.",
         ""},
        [](const Snapshot& s, Samples& out) {
          if (s.offload) out.add(s.offload->flows);
        }},
    Metric{{"turnstone_offload_packets_total", kCounter,
            "Of turnstone_relayed_packets_total, those that the kernel relayed by itself; with XDP a packet "
            "counts when it is handed to the driver.",
            "direction"},
           [](const Snapshot& s, Samples& out) {
             if (!s.offload) return;
             out.add(s.offload->to_peer_packets, {"to_peer"});
             out.add(s.offload->to_client_packets, {"to_client"});
           }},
    Metric{{"turnstone_offload_drops_total", kCounter,
            "Datagrams that the kernel's relay dropped, by reason: their TTL or hop limit was used up "
            "(hops), or "
            "there was no memory to change them (no_memory).",
            "reason"},
           [](const Snapshot& s, Samples& out) {
             if (!s.offload) return;
             out.add(s.offload->hops_used_up, {"hops"});
             out.add(s.offload->failed, {"no_memory"});
           }},
    Metric{{"turnstone_requests_total", kCounter,
            "STUN and TURN requests answered, by method and by response code; code is success or a STUN "
            "error code.",
            "method, code"},
           [](const Snapshot& s, Samples& out) {
             each_pair<turn::RequestKind, turn::Outcome>(out, s.turn.requests);
           }},
    Metric{{"turnstone_auth_failures_total", kCounter,
            "Requests that did not authenticate, by reason; no_credentials and stale_nonce are part of "
            "normal operation.",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<turn::AuthFailure>(out, s.turn.auth_failures); }},
    Metric{{"turnstone_denials_total", kCounter, "Peers and requests refused by policy or quota, by reason.",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<turn::Denial>(out, s.turn.denials); }},
    Metric{{"turnstone_drops_total", kCounter, "Datagrams and messages dropped without an answer, by reason.",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<turn::Drop>(out, s.turn.drops); }},
    Metric{{"turnstone_revocations", kGauge,
            "What is revoked and would be good otherwise, by cause: an operator's order, a removal (kick or "
            "ban), the departure of a member.",
            "cause"},
           [](const Snapshot& s, Samples& out) { each<turn::RevocationCause>(out, s.turn.revocations); }},
    Metric{{"turnstone_revocations_forgotten_total", kCounter,
            "Revocations that had to make room for newer ones of the same cause before they lapsed: their "
            "credentials are good again until they expire.",
            "cause"},
           [](const Snapshot& s, Samples& out) {
             each<turn::RevocationCause>(out, s.turn.revocations_forgotten);
           }},
    Metric{{"turnstone_credential_hook_requests_total", kCounter,
            "Questions to the external source of credentials that have ended, by result.", "result"},
           [](const Snapshot& s, Samples& out) { each<turn::HookResult>(out, s.turn.hook_results); }},
    Metric{
        {"turnstone_credential_hook_seconds_total", kCounter,
         "Time that these questions took together; divided by their number it is the mean.", ""},
        [](const Snapshot& s, Samples& out) { out.add(static_cast<double>(s.turn.hook_nanoseconds) / 1e9); }},
    Metric{{"turnstone_credential_hook_cache_hits_total", kCounter,
            "Requests whose user an earlier answer of the external source told.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.hook_cache_hits); }},
    Metric{{"turnstone_credential_hook_cache_entries", kGauge,
            "Answers of the external source that are kept, over all threads.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.hook_cache_entries); }},
    Metric{{"turnstone_credential_hook_waiting_requests", kGauge,
            "Requests that wait for an answer of the external source.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.turn.hook_waiting); }},
};

constexpr std::array kNet{
    Metric{{"turnstone_streams", kGauge, "Open streams (TCP and TLS), by what they speak.", "kind"},
           [](const Snapshot& s, Samples& out) { each<net::StreamKind>(out, s.net.streams_open); }},
    Metric{{"turnstone_streams_accepted_total", kCounter, "Streams that showed what they speak.", "kind"},
           [](const Snapshot& s, Samples& out) { each<net::StreamKind>(out, s.net.streams_accepted); }},
    Metric{{"turnstone_streams_refused_total", kCounter, "Streams closed before they were of use, by reason.",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<net::StreamRefusal>(out, s.net.streams_refused); }},
    Metric{
        {"turnstone_udp_receive_batches_total", kCounter, "Calls that took datagrams from the kernel.", ""},
        [](const Snapshot& s, Samples& out) { out.add(s.net.udp_receive_batches); }},
    Metric{{"turnstone_udp_packets_total", kCounter, "Datagrams exchanged with the kernel, by direction.",
            "direction"},
           [](const Snapshot& s, Samples& out) {
             out.add(s.net.udp_received_packets, {"received"});
             out.add(s.net.udp_sent_packets, {"sent"});
           }},
    Metric{{"turnstone_udp_train_packets_total", kCounter,
            "Datagrams that were sent in trains, many to a call (UDP_SEGMENT).", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.net.udp_sent_in_trains); }},
    Metric{{"turnstone_coalesce_pauses_total", kCounter,
            "Pauses of relay.coalesce, in which datagrams and the bytes of streams gathered.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.net.naps); }},
    Metric{{"turnstone_coalesce_delay_seconds", kHistogram,
            "Datagrams, and reads of streams, that gathered in a pause of relay.coalesce, by the pause's "
            "length: the most that each was delayed by it, about half of it on average.",
            ""},
           [](const Snapshot& s, Samples& out) { out.add(s.net.nap_delays); }},
    Metric{{"turnstone_peer_stream_pauses_total", kCounter,
            "Times that a rate made a flow of a TCP allocation (relay.tcp) wait.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.net.data_pauses); }},
    Metric{{"turnstone_peer_stream_pause_seconds_total", kCounter, "How long these waits are together.", ""},
           [](const Snapshot& s, Samples& out) {
             out.add(static_cast<double>(s.net.data_pause_nanoseconds) / 1e9);
           }},
    Metric{{"turnstone_udp_send_errors_total", kCounter, "Datagrams that the kernel did not take.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.net.udp_send_errors); }},
    Metric{
        {"turnstone_udp_receive_buffer_drops_total", kCounter,
         "Datagrams that the kernel dropped before they were read, as a rule because a socket's buffer was "
         "full (listen.udp_listener_buffer, listen.udp_relay_buffer); seen with the next datagram, or when "
         "the "
         "socket closes. A train counts once.",
         "socket"},
        [](const Snapshot& s, Samples& out) { each<net::UdpSocketKind>(out, s.net.udp_receive_drops); }},
    Metric{{"turnstone_tls_certificate_expiry_timestamp_seconds", kGauge,
            "When the TLS certificate stops being valid, in seconds since 1970; absent without TLS.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.certificate_expiry_seconds) out.add(*s.certificate_expiry_seconds);
           }},
};

constexpr std::array kSignal{
    Metric{{"turnstone_signaling_connections", kGauge, "Open signaling connections.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.connections); }},
    Metric{{"turnstone_signaling_members", kGauge, "Signaling connections whose hello was accepted.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.members); }},
    Metric{{"turnstone_signaling_rooms", kGauge, "Rooms with at least one member.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.rooms); }},
    Metric{{"turnstone_signaling_memberships", kGauge, "Sum of the rooms' sizes.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.memberships); }},
    Metric{{"turnstone_signaling_queued_messages", kGauge, "Messages that wait for an absent member.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.queued); }},
    Metric{{"turnstone_signaling_connections_opened_total", kCounter, "Signaling connections opened.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.connections_opened); }},
    Metric{{"turnstone_signaling_connections_closed_total", kCounter,
            "Signaling connections closed, by reason.", "reason"},
           [](const Snapshot& s, Samples& out) { each<signal::CloseReason>(out, s.signal.closed); }},
    Metric{{"turnstone_signaling_messages_total", kCounter,
            "Signaling messages received, by type and by how they were answered.", "type, result"},
           [](const Snapshot& s, Samples& out) {
             each_pair<signal::MessageType, signal::ErrorCode>(out, s.signal.messages);
           }},
    Metric{
        {"turnstone_signaling_over_rate_total", kCounter,
         "Messages and joins of all dialects refused for a rate (signaling.*_per_second), by whose rate it "
         "was, and of what.",
         "scope, unit"},
        [](const Snapshot& s, Samples& out) {
          each_pair<signal::RateScope, signal::RateUnit>(out, s.signal.over_rate);
        }},
    Metric{{"turnstone_signaling_relayed_messages_total", kCounter, "Messages handed to room-mates, by kind.",
            "kind"},
           [](const Snapshot& s, Samples& out) { each<signal::Kind>(out, s.signal.relayed); }},
    Metric{{"turnstone_signaling_expired_messages_total", kCounter,
            "Queued messages whose target did not come.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.expired); }},
    Metric{{"turnstone_signaling_lost_members", kGauge,
            "Members whose connection was lost and who may resume.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.lost); }},
    Metric{{"turnstone_signaling_lost_members_expired_total", kCounter,
            "Lost members who did not resume in time.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.sessions_expired); }},
    Metric{{"turnstone_signaling_resumes_total", kCounter, "Resumes asked for, by what became of them.",
            "outcome"},
           [](const Snapshot& s, Samples& out) { each<signal::ResumeOutcome>(out, s.signal.resumes); }},
    Metric{{"turnstone_signaling_replay_bytes", kGauge,
            "Messages kept until clients acknowledge them, in bytes.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.signal.replay_bytes); }},
    Metric{{"turnstone_signaling_frames_total", kCounter, "WebSocket messages, by direction.", "direction"},
           [](const Snapshot& s, Samples& out) {
             out.add(s.signal.received.messages, {"received"});
             out.add(s.signal.sent.messages, {"sent"});
           }},
    Metric{{"turnstone_signaling_bytes_total", kCounter, "Text of WebSocket messages, by direction.",
            "direction"},
           [](const Snapshot& s, Samples& out) {
             out.add(s.signal.received.bytes, {"received"});
             out.add(s.signal.sent.bytes, {"sent"});
           }},
};

constexpr std::array kSocketIo{
    Metric{{"turnstone_socketio_sessions", kGauge, "Open Engine.IO sessions, by transport.", "transport"},
           [](const Snapshot& s, Samples& out) {
             each<dialect::EngineTransport>(out, s.socketio.engine.sessions);
           }},
    Metric{{"turnstone_socketio_sessions_opened_total", kCounter, "Engine.IO sessions opened.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.socketio.engine.opened); }},
    Metric{{"turnstone_socketio_sessions_closed_total", kCounter, "Engine.IO sessions ended, by reason.",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<dialect::EngineEnd>(out, s.socketio.engine.ended); }},
    Metric{{"turnstone_socketio_upgrades_total", kCounter,
            "Sessions that changed over from polling to a WebSocket.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.socketio.engine.upgraded); }},
    Metric{
        {"turnstone_socketio_refusals_total", kCounter, "Engine.IO requests refused, by reason.", "reason"},
        [](const Snapshot& s, Samples& out) { each<dialect::EngineError>(out, s.socketio.engine.refused); }},
    Metric{{"turnstone_socketio_connects_total", kCounter,
            "Answers to clients that asked to join a namespace, by result.", "result"},
           [](const Snapshot& s, Samples& out) { each<dialect::SioConnect>(out, s.socketio.connects); }},
    Metric{{"turnstone_socketio_packets_total", kCounter, "Socket.IO packets, by direction and type.",
            "direction, type"},
           [](const Snapshot& s, Samples& out) {
             for (std::size_t i = 0; i < dialect::kSioTypeCount; ++i) {
               const std::string_view type = label(static_cast<dialect::SioType>(i));
               out.add(s.socketio.received[i], {"received", type});
               out.add(s.socketio.sent[i], {"sent", type});
             }
           }},
    Metric{{"turnstone_socketio_recoverable_connections", kGauge,
            "Lost connections that may still be recovered.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.socketio.kept); }},
    Metric{{"turnstone_socketio_recovery_bytes", kGauge,
            "Messages kept for connections that may be recovered, in bytes.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.socketio.kept_bytes); }},
    Metric{{"turnstone_socketio_recoveries_crowded_out_total", kCounter,
            "Lost connections given up before their time, since there were too many.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.socketio.crowded_out); }},
};

constexpr std::array kHooks{
    Metric{{"turnstone_signaling_hook_requests_total", kCounter,
            "Hellos that the application (signaling.hook_url) was to judge, by result.", "result"},
           [](const Snapshot& s, Samples& out) { each<signal::HookResult>(out, s.hello_hook.results); }},
    Metric{{"turnstone_signaling_hook_waiting", kGauge, "Hellos that wait for the application's answer.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.hello_hook.waiting); }},
    Metric{{"turnstone_webhook_events_total", kCounter,
            "What happened while applications (webhooks.urls) wanted to know, by event.", "event"},
           [](const Snapshot& s, Samples& out) { each<net::WebhookEvent>(out, s.webhooks.events); }},
    Metric{{"turnstone_webhook_posts_total", kCounter, "Posts to them that have ended, by result.", "result"},
           [](const Snapshot& s, Samples& out) {
             out.add(s.webhooks.delivered, {"delivered"});
             out.add(s.webhooks.failed, {"failed"});
           }},
    Metric{{"turnstone_webhook_dropped_total", kCounter,
            "Events that are not posted any more, once for each URL, by reason: newer ones needed the place "
            "(full), retry_time was over (late), the URL answered 410 (gone), too many allocations ended at "
            "once (churn), the server ended or the URL was taken out (stopped).",
            "reason"},
           [](const Snapshot& s, Samples& out) { each<net::WebhookDrop>(out, s.webhooks.dropped); }},
    Metric{{"turnstone_webhook_waiting", kGauge, "Events that wait, once for each URL.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.webhooks.waiting); }},
};

constexpr std::array kPeerJs{
    Metric{{"turnstone_peerjs_connections", kGauge, "PeerJS clients that are connected.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.peerjs.connections); }},
    Metric{{"turnstone_peerjs_opens_total", kCounter, "Answers to PeerJS clients that connected, by result.",
            "result"},
           [](const Snapshot& s, Samples& out) { each<dialect::PeerJsOpen>(out, s.peerjs.opened); }},
    Metric{{"turnstone_peerjs_messages_total", kCounter, "Messages received of PeerJS clients, by type.",
            "type"},
           [](const Snapshot& s, Samples& out) { each<dialect::PeerJsType>(out, s.peerjs.received); }},
    Metric{{"turnstone_peerjs_expired_total", kCounter,
            "PeerJS clients told that the peer they called is not there.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.peerjs.expired); }},
};

constexpr std::array kCluster{
    Metric{
        {"turnstone_cluster_up", kGauge,
         "1 while frames get through to other nodes and back. Absent with signaling.backplane: memory.", ""},
        [](const Snapshot& s, Samples& out) {
          if (s.cluster) out.add(std::uint64_t{s.cluster->up ? 1U : 0U});
        }},
    Metric{{"turnstone_cluster_nodes", kGauge, "Other nodes that are known.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->nodes);
           }},
    Metric{{"turnstone_cluster_nodes_out_of_reach", kGauge, "Those of them that nothing can be sent to now.",
            ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->nodes_out_of_reach);
           }},
    Metric{{"turnstone_cluster_members", kGauge, "Members that other nodes have told of.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->remote_members);
           }},
    Metric{{"turnstone_cluster_waiting_bytes", kGauge, "What waits for other nodes to confirm it.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->waiting_bytes);
           }},
    Metric{{"turnstone_cluster_frames_total", kCounter,
            "Frames exchanged with other nodes, by direction; own beacons that come back are among those "
            "received.",
            "direction"},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster)
               out.add(s.cluster->frames_received, {"received"}), out.add(s.cluster->frames_sent, {"sent"});
           }},
    Metric{{"turnstone_cluster_bytes_total", kCounter, "The same in bytes.", "direction"},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster)
               out.add(s.cluster->bytes_received, {"received"}), out.add(s.cluster->bytes_sent, {"sent"});
           }},
    Metric{{"turnstone_cluster_malformed_frames_total", kCounter,
            "Frames that were none, or said what no node may say.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->frames_malformed);
           }},
    Metric{{"turnstone_cluster_refused_frames_total", kCounter,
            "Frames that were not taken, by reason: another version, no signature with the secret of the "
            "nodes, or one that had been there before.",
            "reason"},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) each<signal::ClusterRefusal>(out, s.cluster->frames_refused);
           }},
    Metric{{"turnstone_cluster_repeated_frames_total", kCounter, "Frames that had come before.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->frames_repeated);
           }},
    Metric{{"turnstone_cluster_resyncs_total", kCounter,
            "Nodes that were told everything anew, since something had been lost.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->resyncs);
           }},
    Metric{{"turnstone_cluster_nodes_lost_total", kCounter, "Nodes given up since nothing came of them.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->nodes_lost);
           }},
    Metric{{"turnstone_cluster_conflicts_total", kCounter,
            "Peer ids that two nodes had given away at once; one of the two is closed.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->conflicts);
           }},
    Metric{{"turnstone_cluster_undelivered_messages_total", kCounter,
            "Messages to members of other nodes whose senders were told that they may not have arrived, by "
            "reason.",
            "reason"},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) each<signal::ClusterLoss>(out, s.cluster->undelivered);
           }},
    Metric{{"turnstone_cluster_connects_total", kCounter, "Connections to Redis that were made.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->connects);
           }},
    Metric{{"turnstone_cluster_connect_failures_total", kCounter, "Attempts at one that failed.", ""},
           [](const Snapshot& s, Samples& out) {
             if (s.cluster) out.add(s.cluster->connect_failures);
           }},
    Metric{{"turnstone_signaling_forwarded_requests_total", kCounter,
            "HTTP requests for sessions of other nodes, by what came of them; refused: those of other nodes "
            "that had no good pass.",
            "result"},
           [](const Snapshot& s, Samples& out) {
             if (s.forwards) each<net::Forwarded>(out, s.forwards->requests);
           }},
    Metric{
        {"turnstone_signaling_forwards", kGauge,
         "Requests that are passed on to other nodes at the moment, and WebSockets whose bytes are.", "kind"},
        [](const Snapshot& s, Samples& out) {
          if (!s.forwards) return;
          out.add(s.forwards->under_way - s.forwards->websockets, {"request"});
          out.add(s.forwards->websockets, {"websocket"});
        }},
};

constexpr std::array kProcess{
    Metric{{"turnstone_build_info", kGauge, "What runs; always 1.", "version, commit, compiler"},
           [](const Snapshot& s, Samples& out) {
             out.add(std::uint64_t{1}, {s.build.version, s.build.commit, s.build.compiler});
           }},
    Metric{{"turnstone_draining", kGauge, "1 while the server waits for allocations to end before it stops.",
            ""},
           [](const Snapshot& s, Samples& out) { out.add(std::uint64_t{s.draining ? 1U : 0U}); }},
    Metric{{"turnstone_bugs_total", kCounter, "Broken invariants noticed; anything but 0 is worth a report.",
            ""},
           [](const Snapshot& s, Samples& out) { out.add(s.bugs); }},
    Metric{{"process_cpu_seconds_total", kCounter, "Total user and system CPU time spent in seconds.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.process.cpu_seconds); }},
    Metric{{"process_resident_memory_bytes", kGauge, "Resident memory size in bytes.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.process.resident_bytes); }},
    Metric{{"process_virtual_memory_bytes", kGauge, "Virtual memory size in bytes.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.process.virtual_bytes); }},
    Metric{{"process_open_fds", kGauge, "Number of open file descriptors.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.process.open_fds); }},
    Metric{{"process_max_fds", kGauge, "Maximum number of open file descriptors.", ""},
           [](const Snapshot& s, Samples& out) { out.add(s.process.max_fds); }},
    Metric{
        {"process_start_time_seconds", kGauge, "Start time of the process since unix epoch in seconds.", ""},
        [](const Snapshot& s, Samples& out) { out.add(s.process.start_time_seconds); }},
};

}  // namespace

std::span<const Metric> metric_table() {
  static const std::vector<Metric> kTable = [] {
    std::vector<Metric> out(kTurn.begin(), kTurn.end());
    out.insert(out.end(), kNet.begin(), kNet.end());
    out.insert(out.end(), kSignal.begin(), kSignal.end());
    out.insert(out.end(), kHooks.begin(), kHooks.end());
    out.insert(out.end(), kSocketIo.begin(), kSocketIo.end());
    out.insert(out.end(), kPeerJs.begin(), kPeerJs.end());
    out.insert(out.end(), kCluster.begin(), kCluster.end());
    out.insert(out.end(), kProcess.begin(), kProcess.end());
    return out;
  }();
  return kTable;
}

std::span<const MetricInfo> catalogue() {
  static const std::vector<MetricInfo> kCatalogue = [] {
    std::vector<MetricInfo> out;
    for (const Metric& metric : metric_table()) out.push_back(metric.info);
    return out;
  }();
  return kCatalogue;
}

}  // namespace ts::metrics
