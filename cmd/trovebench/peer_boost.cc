#include "cmd/trovebench/peer_boost.h"

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>

#include <cmath>
#include <utility>
#include <vector>

namespace bg = boost::geometry;
namespace bgi = boost::geometry::index;

using point = bg::model::point<float, 2, bg::cs::cartesian>;
using box = bg::model::box<bg::model::point<double, 2, bg::cs::cartesian>>;
using value = std::pair<point, uint32_t>;
using tree = bgi::rtree<value, bgi::rstar<16>>;

struct peer_boost {
	tree values;
};

namespace {

/* Counts and stores ids without growing anything. */
struct sink {
	using iterator_category = std::output_iterator_tag;
	using value_type = void;
	using difference_type = std::ptrdiff_t;
	using pointer = void;
	using reference = void;
	uint32_t *ids;
	uint64_t capacity;
	uint64_t *count;
	sink &operator*() { return *this; }
	sink &operator++() { return *this; }
	sink operator++(int) { return *this; }
	sink &operator=(const value &v)
	{
		if (*count < capacity)
			ids[*count] = v.second;
		++*count;
		return *this;
	}
};

box make_box(double min_x, double min_y, double max_x, double max_y) { return box({min_x, min_y}, {max_x, max_y}); }

} // namespace

struct peer_boost *peer_boost_create(const float *x, const float *y, uint32_t count)
{
	std::vector<value> values;
	values.reserve(count);
	for (uint32_t i = 0; i < count; i++)
		values.emplace_back(point(x[i], y[i]), i);
	return new peer_boost{tree(values.begin(), values.end())};
}

void peer_boost_destroy(struct peer_boost *peer) { delete peer; }

uint64_t peer_boost_box(const struct peer_boost *peer, double min_x, double min_y, double max_x, double max_y,
                        uint32_t *ids, uint64_t capacity)
{
	uint64_t count = 0;
	peer->values.query(bgi::covered_by(make_box(min_x, min_y, max_x, max_y)), sink{ids, capacity, &count});
	return count;
}

uint64_t peer_boost_radius(const struct peer_boost *peer, double x, double y, double radius, uint32_t *ids,
                           uint64_t capacity)
{
	uint64_t count = 0;
	double square = radius * radius;
	auto is_near = [=](const value &v) {
		double dx = v.first.get<0>() - x;
		double dy = v.first.get<1>() - y;
		return dx * dx + dy * dy <= square;
	};
	peer->values.query(bgi::covered_by(make_box(x - radius, y - radius, x + radius, y + radius)) && bgi::satisfies(is_near),
	                   sink{ids, capacity, &count});
	return count;
}
