// SPDX-License-Identifier: Apache-2.0
// Result<T, E>: a value or a reason, for everything that a remote party can get wrong.
#pragma once

#include <boost/system/result.hpp>

namespace ts {

/// A value or an error value. Never thrown; the compiler complains about one that is dropped.
template <class T, class E>
class [[nodiscard]] Result : public boost::system::result<T, E> {
 public:
  using boost::system::result<T, E>::result;
};

}  // namespace ts
