// SPDX-License-Identifier: Apache-2.0
// SilenceWatch: WebSockets in the order in which they were last heard, so that one timer looks after all of
// them. Who is silent for a beat is pinged, who is silent for another one is given up. On the server's
// thread.
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <turnstone/base/time.hpp>

namespace ts::net {

class SilenceWatch : public std::enable_shared_from_this<SilenceWatch> {
 private:
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

 public:
  /// Somebody to be watched; on at most one watch's list, and off it when it goes.
  class Watched : public Hook {
   public:
    Watched() = default;
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    virtual ~Watched() = default;

   protected:
    /// Nothing has come for a beat. May end this object.
    virtual void probe() = 0;
    /// Nothing has come for another beat either; it is off the list. May end this object.
    virtual void give_up() = 0;

   private:
    friend class SilenceWatch;
    TimePoint due_{};
  };

  explicit SilenceWatch(boost::asio::io_context& context) : timer_(context) {}
  SilenceWatch(const SilenceWatch&) = delete;
  SilenceWatch& operator=(const SilenceWatch&) = delete;

  /// Watches it from now on. The beat, above 0, is everybody's; the newest counts.
  void add(Watched& watched, Duration beat);
  /// Something has come from it. Of one who is not watched: nothing happens.
  void heard(Watched& watched) noexcept;
  void remove(Watched& watched) noexcept;

 private:
  using List = boost::intrusive::list<Watched, boost::intrusive::base_hook<Hook>,
                                      boost::intrusive::constant_time_size<false>>;

  void arm();
  void look();

  boost::asio::steady_timer timer_;
  Duration beat_{};
  bool armed_ = false;
  /// By due_, which for both is the same time after an event.
  List heard_;
  List probed_;
};

}  // namespace ts::net
