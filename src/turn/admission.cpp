// SPDX-License-Identifier: Apache-2.0
// Who may have an allocation, and what it may do: quotas, the credential's policy, rates, revocation.
#include <turnstone/auth/realms.hpp>

#include "request.hpp"

namespace ts::turn {
namespace {

/// What a credential is called where all realms meet: its username in the default realm, without a copy.
class CredentialName {
 public:
  CredentialName(auth::RealmId realm, std::string_view username) : view_(username) {
    if (realm == auth::kDefaultRealm) return;
    text_ = auth::account_in(realm, username);
    view_ = text_;
  }
  CredentialName(const CredentialName&) = delete;
  CredentialName& operator=(const CredentialName&) = delete;
  std::string_view view() const noexcept { return view_; }

 private:
  std::string text_;
  std::string_view view_;
};

}  // namespace

bool Server::usable(Request& r) {
  // Departs from RFC 8489 §9.2.4: the credential is right, so that 401 would only make the client try again.
  // 403 is RFC 8656 §19's "cannot be performed due to administrative or similar restrictions".
  if (r.policy != nullptr && !r.policy->admits_client(r.in.tuple.client.address)) {
    ++counters_.auth_failures[index(AuthFailure::WrongAddress)];
    respond_error(r, stun::ErrorCode::Forbidden, "The credential is for another address");
    return false;
  }
  if (revocations_.matches(Bearer{r.username, r.account, r.policy}, r.now.wall)) {
    ++counters_.auth_failures[index(AuthFailure::Revoked)];
    respond_error(r, stun::ErrorCode::Forbidden, "The credential has been revoked");
    return false;
  }
  return true;
}

std::optional<Denial> Server::admit(const Request& r) {
  if (const auto quota = ledger_.admit(r.account)) return quota;
  if (r.policy == nullptr || r.policy->max_allocations == 0) return std::nullopt;
  const CredentialName name(r.realm, r.username);
  if (ledger_.admit_credential(name.view(), r.policy->max_allocations)) return std::nullopt;
  ledger_.leave(r.account);
  return Denial::QuotaCredential;
}

void Server::leave(std::string_view account, std::string_view username, const auth::Policy* policy,
                   auth::RealmId realm) {
  ledger_.leave(account);
  if (policy != nullptr && policy->max_allocations != 0)
    ledger_.leave_credential(CredentialName(realm, username).view());
}

void Server::limit(Allocation& allocation, Request& r) {
  allocation.policy = std::move(r.read_policy);
  const CredentialName name(r.realm, allocation.username);
  allocation.limits =
      Limits::make(options_, allocation.policy.get(), name.view(), allocation.account, *shares_, r.now.mono);
}

void Server::unlimit(Allocation& allocation) {
  leave_shares(allocation);
  leave(allocation.account, allocation.username, allocation.policy.get(), allocation.realm);
}

void Server::leave_shares(Allocation& allocation) {
  if (allocation.limits != nullptr) allocation.limits->release(*shares_);
}

void Server::join_shares(Allocation& allocation, TimePoint now) {
  const CredentialName name(allocation.realm, allocation.username);
  auto limits =
      Limits::make(options_, allocation.policy.get(), name.view(), allocation.account, *shares_, now);
  if (limits != nullptr && allocation.limits != nullptr) limits->go_on_from(*allocation.limits);
  allocation.limits = std::move(limits);
}

std::optional<Denial> Server::denied_by_credential(const Allocation& allocation,
                                                   const IpAddress& peer) const {
  if (allocation.policy == nullptr) return std::nullopt;
  const IpAddress at = embedded_v4(peer).value_or(peer);
  if (!allocation.policy->admits_peer(at)) return Denial::DeniedByCredential;
  const bool closed = allocation.policy->closed && !reach_.reaches(allocation.policy->member, at);
  return closed ? std::optional(Denial::ClosedRelay) : std::nullopt;
}

bool Server::names_too_many(Allocation& allocation, std::size_t added, TimePoint now) const noexcept {
  return !take_new_peers(allocation.new_peers_paid_until, added, options_, now);
}

bool Server::within_limits(Allocation& allocation, std::size_t bytes, TimePoint now) {
  const auto why = allocation.limits->refuse(bytes, now, ledger_);
  if (why) drop(*why);
  return !why;
}

void Server::come_to_member(SlotHandle handle, const Allocation& allocation) {
  if (allocation.policy != nullptr) members_.add(allocation.policy->member, handle);
}

void Server::leave_member(SlotHandle handle, const Allocation& allocation) {
  if (allocation.policy != nullptr) members_.remove(allocation.policy->member, handle);
}

void Server::revoke(Now now, const Revocation& revocation, Outbox& out) {
  counters_.revocations_forgotten[index(revocation.cause)] += revocations_.add(revocation, now.wall);
  counters_.revocations[index(revocation.cause)] = revocations_.size(revocation.cause);
  const auto end_if_meant = [&](SlotHandle handle, const Allocation& allocation) {
    const Bearer bearer{allocation.username, allocation.account, allocation.policy.get()};
    const bool meant = revokes(revocation, bearer);
    if (meant) end(handle, EndReason::Revoked, now, out);
    return meant;
  };
  // Members come and go all the time. The rest is an operator's, and may look at everything.
  if (revocation.kind != Revocation::Kind::Member) {
    allocations_.for_each(
        [&](SlotHandle handle, const Allocation& allocation) { end_if_meant(handle, allocation); });
    return;
  }
  for (const SlotHandle handle : members_.take(revocation.name)) {
    const Allocation* allocation = allocations_.find(handle);
    if (allocation != nullptr && !end_if_meant(handle, *allocation)) come_to_member(handle, *allocation);
  }
}

}  // namespace ts::turn
