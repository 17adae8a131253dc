#include "appliance/base/mailbox.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <thread>

using ftfw::Mailbox;

TEST_CASE("messages arrive in order, a full mailbox refuses and counts") {
  Mailbox<std::unique_ptr<int>> mailbox(2);
  CHECK(mailbox.try_post(std::make_unique<int>(1)));
  CHECK(mailbox.try_post(std::make_unique<int>(2)));
  CHECK_FALSE(mailbox.try_post(std::make_unique<int>(3)));
  CHECK(mailbox.refused() == 1);
  CHECK(**mailbox.take() == 1);
  CHECK(**mailbox.take() == 2);
  CHECK_FALSE(mailbox.take());
}

TEST_CASE("a sender keeps what a full mailbox has no room for, in order") {
  Mailbox<int> mailbox(2);
  ftfw::Sender<int> sender(mailbox);
  for (int i = 0; i < 5; ++i) sender.post(i);
  CHECK(mailbox.refused() == 0);
  for (int i = 0; i < 5; ++i) {
    CHECK(mailbox.take() == i);
    sender.flush();
  }
  CHECK_FALSE(mailbox.take());
  CHECK(sender.lost() == 0);
}

TEST_CASE("a producer and a consumer thread pass every message once") {
  Mailbox<int> mailbox(64);
  constexpr int kCount = 200'000;
  std::thread producer([&] {
    for (int i = 0; i < kCount;) {
      if (mailbox.try_post(i))
        ++i;
      else
        std::this_thread::yield();
    }
  });
  int expected = 0;
  bool in_order = true;
  while (expected < kCount) {
    if (const auto got = mailbox.take())
      in_order = in_order && *got == expected++;
    else
      std::this_thread::yield();
  }
  producer.join();
  CHECK(in_order);
}
